//! claim: face.no-read-across-a-command
//! Keeps a view of BQL-guarded data across a command that may release the BQL.
use migration::bql::{BqlGuard, BqlGuarded};
use migration::{CommandError, Endpoint};

fn send(list: &BqlGuarded<Vec<u64>>, bql: &mut BqlGuard<'_>, to: Endpoint) -> Result<u64, CommandError> {
    let view = list.borrow(bql);
    migration::migrate(bql, to)?; //~ E0502
    Ok(view.iter().sum())
}

fn main() {}
