//! Tests of the workspace as a whole: its pages, what is generated in them, its packages and their
//! interfaces.

mod claims;
mod dependencies;
mod face;
mod generated;
mod links;
mod packages;
mod pages;
mod public_interface;
mod rooms;
mod site;
mod steps;
