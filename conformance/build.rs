//! Lists the cases: each `pub(crate) async fn rule(stage: Stage)` below `src/cases` is one, and its file or folder there
//! is the subject. So a case is written in one place.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=src/cases");
    let mut subjects = BTreeMap::new();
    collect(Path::new("src/cases"), None, &mut subjects)?;
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo names a folder"));
    fs::write(out.join("each_case.rs"), each_case(&subjects))
}

/// Adds the cases below `folder`: those of `wait/time.rs` are of the subject `wait`.
fn collect(folder: &Path, subject: Option<&str>, subjects: &mut BTreeMap<String, Vec<String>>) -> io::Result<()> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<_>>()?;
    paths.sort();
    for path in paths {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let subject = subject.unwrap_or(stem).to_owned();
        if path.is_dir() {
            collect(&path, Some(&subject), subjects)?;
        } else {
            let source = fs::read_to_string(&path)?;
            let cases: Vec<String> = source.lines().filter_map(case).map(ToOwned::to_owned).collect();
            if !cases.is_empty() {
                subjects.entry(subject).or_default().extend(cases);
            }
        }
    }
    Ok(())
}

/// The name of the case that begins in this line.
fn case(line: &str) -> Option<&str> {
    let (name, rest) = line.strip_prefix("pub(crate) async fn ")?.split_once('(')?;
    rest.ends_with(": Stage) {").then_some(name)
}

/// A macro that hands the whole list to another one.
fn each_case(subjects: &BTreeMap<String, Vec<String>>) -> String {
    let mut list = String::new();
    for (subject, cases) in subjects {
        let _ = writeln!(list, "        {subject} {{ {} }}", cases.join(" "));
    }
    format!(
        "/// Calls `$then!` with each subject and its cases: `lease {{ a_live_lease_is_exclusive … }} …`.\n\
         #[doc(hidden)]\n\
         #[macro_export]\n\
         macro_rules! each_case {{\n    ($($then:tt)*) => {{ $($then)*! {{\n{list}    }} }};\n}}\n"
    )
}
