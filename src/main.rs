//! The process: turns the command's outcome into an exit code, and nothing else.

fn main() {}
