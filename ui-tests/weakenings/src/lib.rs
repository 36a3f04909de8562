//! Small edits of the libraries, each taking one guarantee away: the files `*.toml` beside this.
