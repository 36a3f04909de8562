//! Small changes of declarations, each of which takes a guarantee away.
