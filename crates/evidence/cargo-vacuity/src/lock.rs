//! What was believed of each case.
