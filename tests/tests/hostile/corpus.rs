//! The corpus, and the hunt for what breaks a parser: first every input that somebody wrote down, then mutants of them.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestRunner};
use std::fs;
use std::path::Path;

/// What parsers trip over.
const TRAPS: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b"\t",
    b" ",
    b"\"",
    b"'",
    b"\\",
    b",",
    b";",
    b"=",
    b"$",
    b"#",
    b"&",
    b"%00",
    b"%2f",
    b"../",
    b"F",
    b"0",
    b"-1",
    b"+",
    b"9223372036854775808",
    b"1e400",
    b"null",
    b"{}",
    b"[",
    b"]",
    b"{\"",
    b"\xef\xbb\xbf",
    b"\xff",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\xc2\x85",
    b"\xe2\x80\xa8",
    b"\xe2\x80\xae",
    b"\xd9\xa4",
    b"\xc3\xa9",
    b"\xf0\x9f\x93\xb1",
    b"=?UTF-8?Q?=0A?=",
    b"\r\nBcc: eve@example.net",
];

/// Something done to bytes; places are relative to their length.
#[derive(Clone, Debug)]
enum Edit {
    Put(Index, u8),
    Insert(Index, &'static [u8]),
    Remove(Index, usize),
    Repeat(Index, usize, usize),
    Cut(Index),
}

fn edit() -> impl Strategy<Value = Edit> {
    let place = any::<Index>;
    prop_oneof![
        (place(), any::<u8>()).prop_map(|(at, byte)| Edit::Put(at, byte)),
        (place(), select(TRAPS)).prop_map(|(at, trap)| Edit::Insert(at, trap)),
        (place(), 1..12_usize).prop_map(|(at, length)| Edit::Remove(at, length)),
        (place(), 1..12_usize, 1..60_usize).prop_map(|(at, length, times)| Edit::Repeat(at, length, times)),
        place().prop_map(Edit::Cut),
    ]
}

fn edited(mut bytes: Vec<u8>, edits: Vec<Edit>) -> Vec<u8> {
    for edit in edits {
        let length = bytes.len();
        match edit {
            Edit::Insert(at, trap) => drop(bytes.splice(at.index(length + 1)..at.index(length + 1), trap.iter().copied())),
            _ if length == 0 => {}
            Edit::Put(at, byte) => bytes[at.index(length)] = byte,
            Edit::Remove(at, count) => drop(bytes.drain(at.index(length)..(at.index(length) + count).min(length))),
            Edit::Repeat(at, count, times) => {
                let at = at.index(length);
                let piece = bytes[at..(at + count).min(length)].repeat(times);
                bytes.splice(at..at, piece);
            }
            Edit::Cut(at) => bytes.truncate(at.index(length)),
        }
    }
    bytes
}

/// Bytes with a few edits, or with none.
pub fn mutant(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    (select(seeds), vec(edit(), 0..4)).prop_map(|(seed, edits)| edited(seed, edits))
}

/// Text with a few edits; what is no UTF-8 any more is replaced, as a gateway does.
pub fn mutant_text(seeds: &[&str]) -> impl Strategy<Value = String> {
    let seeds = seeds.iter().map(|seed| seed.as_bytes().to_vec()).collect();
    mutant(seeds).prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// The inputs in a folder of the corpus, by name. Those named `good-…` have to be accepted, those named `bad-…` refused.
pub fn seeds(parser: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(parser);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let read = |entry: fs::DirEntry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap());
    let mut seeds: Vec<_> = entries.map(|entry| read(entry.unwrap())).collect();
    seeds.sort();
    seeds
}

/// How chance is used: `weight` times as often as proptest would by itself, and what failed before is tried first.
pub fn config(source_file: &'static str, weight: u32) -> Config {
    let usual = Config::default();
    Config { cases: usual.cases.saturating_mul(weight), source_file: Some(source_file), ..usual }
}

/// Has a parser judge its corpus, then mutants of it; `judge` answers whether it accepted, and panics over what must not be.
pub fn hunt(source_file: &'static str, parser: &str, weight: u32, judge: impl Fn(&[u8]) -> bool) {
    let seeds = seeds(parser);
    for (name, bytes) in &seeds {
        let accepted = judge(bytes);
        match name.split_once('-').map(|(kind, _)| kind) {
            Some("good") => assert!(accepted, "{parser}/{name} is refused"),
            Some("bad") => assert!(!accepted, "{parser}/{name} is accepted"),
            _ => panic!("{parser}/{name} is named neither good- nor bad-"),
        }
    }
    let seeds: Vec<Vec<u8>> = seeds.into_iter().map(|(_, bytes)| bytes).collect();
    let hunted = TestRunner::new(config(source_file, weight)).run(&mutant(seeds), |bytes| {
        judge(&bytes);
        Ok(())
    });
    hunted.unwrap_or_else(|error| panic!("{parser}: {error}"));
}
