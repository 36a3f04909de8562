//! What these tests share, beside what [`test_support`] has: the program under test and its runs.

pub(crate) mod demo;
pub(crate) mod lastref;
