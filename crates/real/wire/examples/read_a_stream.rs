//! Reads a stream from standard input and prints its sections: `cargo run --example read_a_stream
//! -p lastref-wire < FILE`.

use std::io;

use wire::parser::{Event, Parser};

fn main() -> Result<(), wire::DecodeError> {
    let mut parser = Parser::new(io::stdin().lock());
    let (mut pages, mut zero) = (0_u64, 0_u64);
    loop {
        let at = parser.offset();
        match parser.next()? {
            None => break,
            Some(Event::Pages { run, .. }) => pages += run.pages().len() as u64,
            Some(Event::Zero { .. }) => zero += 1,
            Some(Event::Configuration(configuration)) => {
                println!("{at:>12} machine {}", configuration.machine);
            }
            Some(Event::Section { kind, header }) => println!("{at:>12} {kind:?} {}", header.idstr),
            Some(Event::Payload(bytes)) => println!("{at:>12} {} bytes of state", bytes.len()),
            Some(Event::Command(command)) => println!("{at:>12} {}", command.name()),
            Some(_) => {}
        }
    }
    println!("{pages} pages, {zero} pages of zeros, in {} blocks", parser.blocks().len());
    Ok(())
}
