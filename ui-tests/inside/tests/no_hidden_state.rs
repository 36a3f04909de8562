//! Nothing in the crates that the engine sees lives longer than its owner, so there is nothing to
//! take the migration object from.
//!
//! The crates are the engine and what its manifest leads to. Each `static` in them, thread-local
//! or not, stands in [`STATICS`], and its type is followed to the bottom: there is nothing in it
//! that could be, or lead to, an object. The words in [`FORBIDDEN`] stand for other places that
//! every function can reach, and for ways to get a type back that was hidden.
//!
//! Not seen is unsafe code that makes a reference of an integer.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::visit::{self, Visit};

mod sources;

const WORKSPACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// A `static` that a crate needs.
struct Static {
    file: &'static str,
    name: &'static str,
    ty: &'static str,
    /// What for, and why it holds no object.
    _why: &'static str,
}

const STATICS: [Static; 3] = [
    Static {
        file: "crates/core/biglock/src/attached.rs",
        name: "ATTACHED",
        ty: "RefCell<Vec<usize>>",
        _why: "which locks a thread is attached to: addresses, of which nothing makes a reference",
    },
    Static {
        file: "crates/core/bql/src/c_lock.rs",
        name: "ATTACHED",
        ty: "Cell<bool>",
        _why: "whether a thread is attached to the lock of the C program",
    },
    Static {
        file: "crates/core/bql/src/lib.rs",
        name: "BQL",
        ty: "Backend",
        _why: "the lock itself; with the feature `trace` also the names of those who held it",
    },
];

/// Types of the standard library that hold what is written between their brackets, or a plain
/// value, and nothing else.
const PLAIN: [&str; 13] = [
    "AtomicBool",
    "AtomicU8",
    "Cell",
    "Instant",
    "Mutex",
    "Option",
    "RefCell",
    "String",
    "Thread",
    "Vec",
    "bool",
    "u64",
    "usize",
];

/// A field that may point to anything, and is written where its static is declared and nowhere else.
struct Constant {
    of: &'static str,
    field: &'static str,
    /// What for, and what it is in these crates.
    _why: &'static str,
}

const CONSTANTS: [Constant; 1] = [Constant {
    of: "Trace",
    field: "observer",
    _why: "whom a traced lock tells of its holds: nobody, for the lock of these crates",
}];

/// Words that are not in these crates, except in [`EXPLAINED`]. Nor is the attribute `path`, which
/// takes source text from elsewhere as `include` does.
const FORBIDDEN: [&str; 18] = [
    // A place made on first use.
    "lazy_static",
    "OnceLock",
    "LazyLock",
    "OnceCell",
    "LazyCell",
    // A place that the process has anyway.
    "set_hook",
    "take_hook",
    "set_var",
    "pthread_key_create",
    "pthread_setspecific",
    "pthread_getspecific",
    // A type that comes back.
    "Any",
    "TypeId",
    "type_id",
    "downcast",
    "downcast_ref",
    "downcast_mut",
    // Source text from elsewhere.
    "include",
];

/// A forbidden word that is needed.
struct Explained {
    file: &'static str,
    /// The function; empty outside of functions.
    function: &'static str,
    word: &'static str,
    _why: &'static str,
}

const EXPLAINED: [Explained; 6] = [
    Explained {
        file: "crates/core/biglock/src/raw/lock_api.rs",
        function: "",
        word: "path",
        _why: "backend.rs beside it, which is read here too: one text for two versions of lock_api",
    },
    Explained {
        file: "crates/core/biglock/src/raw/lock_api_0_5.rs",
        function: "",
        word: "path",
        _why: "the same",
    },
    Explained {
        file: "crates/core/engine/src/error.rs",
        function: "",
        word: "Any",
        _why: "imports it for the function below",
    },
    Explained {
        file: "crates/core/engine/src/error.rs",
        function: "of_panic",
        word: "Any",
        _why: "takes what a panic carried, which is what `catch_unwind` gives",
    },
    Explained {
        file: "crates/core/engine/src/registrations.rs",
        function: "words",
        word: "Any",
        _why: "the same",
    },
    Explained {
        file: "crates/core/engine/src/registrations.rs",
        function: "words",
        word: "downcast_ref",
        _why: "looks for the message of a panic, and returns its text",
    },
];

/// Crates from elsewhere that these crates see. None keeps something for its caller: `tracing`,
/// which only a feature adds, keeps who listens to it, and gives nothing back of what it is told; so
/// do features add the mutexes of `lock_api` and critical sections, which have no data of their own.
const FROM_ELSEWHERE: [&str; 11] = [
    "critical-section",
    "libc",
    "lock_api",
    "lock_api_0_5",
    "rustix",
    "serde",
    "serde_json",
    "tempfile",
    "thiserror",
    "tracing",
    "uuid",
];

/// What a source text has that outlives its owner, or may reach what does.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    /// Each `static`: its name and its type.
    statics: BTreeSet<(String, String)>,
    /// Each forbidden word, after the function that it is in.
    words: BTreeSet<(String, String)>,
}

impl Found {
    fn in_text(text: &str) -> Self {
        let mut found = Found::default();
        found.look_at(text.parse().expect("Rust"), "");
        found
    }

    /// Looks at all tokens, since the inside of a macro is nothing else.
    fn look_at(&mut self, tokens: TokenStream, function: &str) {
        let mut tokens = tokens.into_iter().peekable();
        // From `fn name` to the end of its body.
        let mut inside: Option<String> = None;
        while let Some(token) = tokens.next() {
            let function = inside.as_deref().unwrap_or(function).to_owned();
            match token {
                // A lifetime, `'static` for one.
                TokenTree::Punct(punct) if punct.as_char() == '\'' => drop(tokens.next()),
                TokenTree::Punct(punct) if punct.as_char() == ';' => inside = None,
                TokenTree::Punct(punct) if punct.as_char() == '#' => {
                    let Some(TokenTree::Group(attribute)) = tokens.peek() else { continue };
                    let attribute = attribute.stream();
                    let first = attribute.clone().into_iter().next();
                    if attribute.to_string().replace(' ', "") == "cfg(test)" {
                        skip_item(&mut tokens);
                    } else if first.is_some_and(|word| word.to_string() == "path") {
                        self.words.insert((function, "path".to_owned()));
                    }
                }
                TokenTree::Group(group) => {
                    self.look_at(group.stream(), &function);
                    if group.delimiter() == Delimiter::Brace {
                        inside = None;
                    }
                }
                TokenTree::Ident(word) if word == "fn" => {
                    // A pointer to a function has no name.
                    if let Some(TokenTree::Ident(name)) = tokens.peek() {
                        inside = Some(name.to_string());
                    }
                }
                TokenTree::Ident(word) if word == "static" => {
                    self.statics.insert(declared(&mut tokens));
                }
                TokenTree::Ident(word) if FORBIDDEN.iter().any(|forbidden| word == forbidden) => {
                    self.words.insert((function, word.to_string()));
                }
                _ => {}
            }
        }
    }
}

type Tokens = std::iter::Peekable<proc_macro2::token_stream::IntoIter>;

/// Skips what an attribute is about: up to its body, or to the end of its line of code.
fn skip_item(tokens: &mut Tokens) {
    for token in tokens {
        match token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => return,
            TokenTree::Punct(punct) if punct.as_char() == ';' => return,
            _ => {}
        }
    }
}

/// The name and the type that follow `static`.
fn declared(tokens: &mut Tokens) -> (String, String) {
    let mut before_colon = Vec::new();
    for token in tokens.by_ref() {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == ':' => break,
            token => before_colon.push(token.to_string()),
        }
    }
    let mut ty = TokenStream::new();
    let mut depth = 0;
    while let Some(token) = tokens.peek() {
        if let TokenTree::Punct(punct) = token {
            match punct.as_char() {
                '<' => depth += 1,
                '>' => depth -= 1,
                '=' | ';' if depth == 0 => break,
                _ => {}
            }
        }
        ty.extend(tokens.next());
    }
    // `mut`, or the `ref` of a macro, is no part of the name.
    (before_colon.pop().unwrap_or_default(), ty.to_string())
}

fn spelled(ty: &str) -> String {
    ty.parse::<TokenStream>().expect("a type").to_string()
}

/// What is wrong with some files, which are all of the crates inside. Each has its path and text.
fn complaints(files: &[(String, String)]) -> Vec<String> {
    let mut complaints = Vec::new();
    let parsed: Vec<_> =
        files.iter().map(|(_, text)| syn::parse_file(text).expect("Rust")).collect();
    let mut types = Types::default();
    parsed.iter().for_each(|file| types.visit_file(file));
    let mut allowed: BTreeSet<_> =
        STATICS.iter().map(|s| (s.file, s.name.to_owned(), spelled(s.ty))).collect();
    let mut explained: BTreeSet<_> =
        EXPLAINED.iter().map(|e| (e.file, e.function.to_owned(), e.word.to_owned())).collect();
    for (file, text) in files {
        let found = Found::in_text(text);
        for (name, ty) in found.statics {
            for reached in types.reached_from(&ty) {
                complaints.push(format!("{file}: {name} may hold anything: it leads to {reached}"));
            }
            if !allowed.remove(&(&**file, name.clone(), ty.clone())) {
                complaints.push(format!("{file}: a static, {name}: {ty}"));
            }
        }
        for (function, word) in found.words {
            if !explained.remove(&(&**file, function.clone(), word.clone())) {
                complaints.push(format!("{file}: {word} in `{function}`"));
            }
        }
    }
    let gone = allowed.iter().map(|(file, name, _)| (file, name));
    let gone = gone.chain(explained.iter().map(|(file, _, word)| (file, word)));
    complaints.extend(gone.map(|(file, what)| format!("{file}: {what} is listed and not there")));
    complaints
}

/// The types that the files define, each with the types in it. Of several with one name it is all,
/// since which one is meant is not known here.
#[derive(Default)]
struct Types<'a> {
    defined: BTreeMap<String, Vec<&'a syn::Type>>,
    /// The parameters of all definitions: what they stand for is written where they are used.
    parameters: BTreeSet<String>,
}

impl<'a> Types<'a> {
    fn define(&mut self, name: &syn::Ident, generics: &syn::Generics, parts: Vec<&'a syn::Type>) {
        self.defined.entry(name.to_string()).or_default().extend(parts);
        self.parameters.extend(generics.type_params().map(|one| one.ident.to_string()));
    }

    /// What a type leads to that is neither plain nor defined in these files.
    fn reached_from(&self, ty: &str) -> BTreeSet<String> {
        let Ok(ty) = syn::parse_str::<syn::Type>(ty) else {
            return BTreeSet::from([format!("`{ty}`, which is no type")]);
        };
        let mut parts = Parts { types: self, seen: BTreeSet::new(), strange: BTreeSet::new() };
        parts.visit_type(&ty);
        parts.strange
    }
}

impl<'a> Visit<'a> for Types<'a> {
    fn visit_item_struct(&mut self, item: &'a syn::ItemStruct) {
        let is_constant = |field: &&syn::Field| {
            CONSTANTS.iter().any(|constant| {
                item.ident == constant.of
                    && field.ident.as_ref().is_some_and(|name| name == constant.field)
            })
        };
        let parts = item.fields.iter().filter(|field| !is_constant(field));
        self.define(&item.ident, &item.generics, parts.map(|field| &field.ty).collect());
    }

    fn visit_item_enum(&mut self, item: &'a syn::ItemEnum) {
        let fields = item.variants.iter().flat_map(|variant| &variant.fields);
        self.define(&item.ident, &item.generics, fields.map(|field| &field.ty).collect());
    }

    fn visit_item_type(&mut self, item: &'a syn::ItemType) {
        self.define(&item.ident, &item.generics, vec![&item.ty]);
    }
}

/// Walks from a type to all that is in it.
struct Parts<'a> {
    types: &'a Types<'a>,
    seen: BTreeSet<String>,
    strange: BTreeSet<String>,
}

impl<'a> Visit<'a> for Parts<'a> {
    fn visit_type(&mut self, ty: &'a syn::Type) {
        match ty {
            syn::Type::Path(path) if path.qself.is_none() => {
                let name = path.path.segments.last().expect("a path names something");
                let name = name.ident.to_string();
                if let Some(parts) = self.types.defined.get(&name) {
                    if self.seen.insert(name) {
                        parts.iter().for_each(|part| self.visit_type(part));
                    }
                } else if !PLAIN.contains(&&*name) && !self.types.parameters.contains(&name) {
                    self.strange.insert(name);
                }
                visit::visit_type(self, ty);
            }
            syn::Type::Tuple(_) | syn::Type::Array(_) | syn::Type::Paren(_) => {
                visit::visit_type(self, ty);
            }
            // Behind a pointer, a function or a trait there may be anything.
            _ => drop(self.strange.insert("a pointer, a function or a trait object".to_owned())),
        }
    }
}

/// The folders of the workspace's crates that one of them sees, itself among them, and the names
/// of the crates from elsewhere.
fn seen_from(
    folder: &str,
    manifest: &dyn Fn(&str) -> String,
) -> (BTreeSet<String>, BTreeSet<String>) {
    let table = |folder: &str| manifest(folder).parse::<toml::Table>().expect("a manifest");
    let workspace = table("")["workspace"]["dependencies"].clone();
    let (mut inside, mut elsewhere) = (BTreeSet::new(), BTreeSet::new());
    let mut waiting = vec![folder.to_owned()];
    while let Some(folder) = waiting.pop() {
        if !inside.insert(folder.clone()) {
            continue;
        }
        for (name, dependency) in dependencies(&table(&folder)) {
            let of_workspace = dependency.get("workspace").is_some();
            let dependency = if of_workspace { workspace[&name].clone() } else { dependency };
            match dependency.get("path").and_then(toml::Value::as_str) {
                Some(path) if of_workspace => waiting.push(path.to_owned()),
                Some(path) => panic!("{folder}: {name} is at {path}: let it be the workspace's"),
                None => drop(elsewhere.insert(name)),
            }
        }
    }
    (inside, elsewhere)
}

/// The dependencies of a manifest for every target, those for its build too, but not those for
/// its tests.
fn dependencies(manifest: &toml::Table) -> Vec<(String, toml::Value)> {
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    let targets = targets.into_iter().flat_map(toml::Table::values);
    let tables = targets.filter_map(toml::Value::as_table).chain([manifest]);
    let of = |table: &toml::Table| {
        let kinds = ["dependencies", "build-dependencies"].map(|kind| table.get(kind).cloned());
        let tables = kinds.into_iter().flatten().filter_map(|kind| kind.as_table().cloned());
        tables.flatten().collect::<Vec<_>>()
    };
    tables.flat_map(of).collect()
}

fn manifest_of(folder: &str) -> String {
    fs::read_to_string(Path::new(WORKSPACE).join(folder).join("Cargo.toml")).expect("a manifest")
}

#[test]
fn the_crates_that_the_engine_sees_have_no_hidden_state() {
    let (inside, elsewhere) = seen_from("crates/core/engine", &manifest_of);
    assert_eq!(
        elsewhere.iter().map(String::as_str).collect::<Vec<_>>(),
        FROM_ELSEWHERE,
        "left: what is seen; right: what this test knows to keep nothing"
    );
    let mut files = Vec::new();
    for folder in &inside {
        let source = format!("{folder}/src");
        let named = |(file, text)| (format!("{source}/{file}"), text);
        files.extend(sources::of(&Path::new(WORKSPACE).join(&source)).into_iter().map(named));
    }
    let complaints = complaints(&files);
    assert!(complaints.is_empty(), "hand the state over, or make it a const: {complaints:#?}");
}

#[test]
fn the_engine_sees_the_lock_crates_too() {
    let (inside, _) = seen_from("crates/core/engine", &manifest_of);
    let expected = ["core/biglock", "core/bql", "core/engine", "real/whole-file", "real/wire"];
    assert_eq!(inside, expected.map(|name| format!("crates/{name}")).into());
}

#[test]
fn a_new_dependency_is_looked_at() {
    let manifest = |folder: &str| {
        let text = match folder {
            "" => {
                "[workspace.dependencies]\n\
                 a = { path = 'a' }\nb = { path = 'b' }\nc = { path = 'c' }\nlazy = '1'"
            }
            "engine" => {
                "[dependencies]\na.workspace = true\n[dev-dependencies]\nc.workspace = true"
            }
            "a" => "[target.'cfg(unix)'.dependencies]\nb = { workspace = true, features = ['x'] }",
            "b" => "[build-dependencies]\nlazy.workspace = true",
            _ => unreachable!("{folder} is for tests"),
        };
        text.to_owned()
    };
    let (inside, elsewhere) = seen_from("engine", &manifest);
    assert_eq!(inside, ["a", "b", "engine"].map(str::to_owned).into());
    assert_eq!(elsewhere, ["lazy".to_owned()].into());
}

#[test]
fn hidden_state_is_found_wherever_it_hides() {
    let statics = |text: &str| -> Vec<_> {
        let found = Found::in_text(text).statics;
        found.into_iter().map(|(name, ty)| format!("{name}: {}", ty.replace(' ', ""))).collect()
    };
    assert_eq!(statics("fn f() { { static mut COUNT: u32 = 0; } }"), ["COUNT: u32"]);
    assert_eq!(statics("std::thread_local! { static X: u8 = 0 }"), ["X: u8"]);
    assert_eq!(statics("macro_rules! m { () => { static X: u8 = 0; } }"), ["X: u8"]);
    assert_eq!(statics("lazy! { pub static ref X: Cell<u8> = f(); }"), ["X: Cell<u8>"]);
    assert_eq!(statics("unsafe extern { safe static X: u8; }"), ["X: u8"]);
    assert_eq!(
        statics("static X: Box<dyn Iterator<Item = u8>> = f();"),
        ["X: Box<dynIterator<Item=u8>>"]
    );
    assert_eq!(statics("fn f(text: &'static str) { /* static */ g(\"static\") }"), [""; 0]);
    assert_eq!(statics("#[cfg(test)] mod tests { static X: u8 = 0; }"), [""; 0]);
    assert_eq!(statics("#[cfg(test)] mod tests {} static X: u8 = 0;"), ["X: u8"]);
}

#[test]
fn forbidden_words_are_found_with_their_function() {
    let words = |text: &str| -> Vec<_> {
        let found = Found::in_text(text).words;
        found.into_iter().map(|(function, word)| format!("{function}: {word}")).collect()
    };
    assert_eq!(words("const X: std::sync::OnceLock<u8> = todo!();"), [": OnceLock"]);
    assert_eq!(words("use std::any::Any as Thing;"), [": Any"]);
    assert_eq!(
        words("fn f(x: &dyn Any) -> u8 { x.downcast_ref() }"),
        ["f: Any", "f: downcast_ref"]
    );
    assert_eq!(words("fn f(); fn g() { |_| set_hook() } type T = Any;"), [": Any", "g: set_hook"]);
    assert_eq!(words("fn f(g: fn(u8)) { m!(Any) }"), ["f: Any"]);
    assert_eq!(words("#[path = \"x.in\"] mod x; include!(\"y\");"), [": include", ": path"]);
    assert_eq!(words("fn f(path: &Path) { /* Any */ path.of(\"Any\") }"), [""; 0]);
}

/// The crates as they are, with `text` at the end of `file`.
fn with(file: &str, text: &str) -> Vec<String> {
    let known = STATICS.iter().map(|s| s.file).chain(EXPLAINED.iter().map(|e| e.file));
    let known: BTreeSet<_> = known.chain([file]).collect();
    let read = |name: &str| {
        let path = Path::new(WORKSPACE).join(name);
        let added = if name == file { text } else { "" };
        (name.to_owned(), fs::read_to_string(path).expect("a file") + added)
    };
    let mut files: Vec<_> = known.into_iter().map(read).collect();
    // What the lock of these files consists of.
    let lock = ["trace.rs", "std_mutex.rs"].map(|file| format!("crates/core/biglock/src/{file}"));
    files.extend(lock.iter().filter(|lock| *lock != file).map(|lock| read(lock)));
    complaints(&files)
}

#[test]
fn an_object_smuggled_through_the_lock_crate_is_found() {
    let complaints = with(
        "crates/core/bql/src/lib.rs",
        "static SMUGGLED: std::sync::Mutex<Option<std::sync::Arc<dyn std::any::Any + Send + Sync>>> =
             std::sync::Mutex::new(None);
         pub fn smuggle(object: std::sync::Arc<dyn std::any::Any + Send + Sync>) {
             *SMUGGLED.lock().unwrap() = Some(object);
         }",
    );
    let about = |what: &str| complaints.iter().any(|complaint| complaint.contains(what));
    assert!(about("a static, SMUGGLED"), "{complaints:#?}");
    assert!(about("SMUGGLED may hold anything: it leads to Arc"), "{complaints:#?}");
    assert!(about("Any in `smuggle`"), "{complaints:#?}");

    let reader = "fn current(smuggled: &Smuggled) { smuggled.downcast_ref::<MigrationState>() }";
    let complaints = with("crates/core/engine/src/attempt.rs", reader);
    assert_eq!(complaints, ["crates/core/engine/src/attempt.rs: downcast_ref in `current`"]);
}

#[test]
fn what_is_listed_is_listed_with_its_file_and_type() {
    assert_eq!(with("crates/real/wire/src/lib.rs", ""), [""; 0]);
    let elsewhere = with("crates/real/wire/src/lib.rs", "static BQL: Backend = free();");
    assert_eq!(elsewhere, ["crates/real/wire/src/lib.rs: a static, BQL: Backend"]);
    let other_type = with("crates/core/bql/src/lib.rs", "static BQL: bool = false;");
    assert_eq!(other_type, ["crates/core/bql/src/lib.rs: a static, BQL: bool"]);
    let gone = complaints(&[]);
    assert_eq!(gone.len(), STATICS.len() + EXPLAINED.len(), "{gone:#?}");
}

#[test]
fn a_listed_static_is_followed_to_the_bottom() {
    let smuggled =
        with("crates/core/biglock/src/trace.rs", "pub struct StdMutex { more: Mutex<Box<bool>> }");
    assert_eq!(smuggled, ["crates/core/bql/src/lib.rs: BQL may hold anything: it leads to Box"]);

    let files = "struct Deep<T> { in_it: Vec<Deeper<T>> } enum Deeper<T> { Plain(T), Not(Odd) }
                 type Odd = Other; struct Other(&'static u8);";
    let file = syn::parse_file(files).expect("Rust");
    let mut types = Types::default();
    types.visit_file(&file);
    let pointer = BTreeSet::from(["a pointer, a function or a trait object".to_owned()]);
    assert_eq!(types.reached_from("Deep<bool>"), pointer);
    assert_eq!(types.reached_from("(u64, [fn(); 3])"), pointer);
    assert_eq!(
        types.reached_from("Mutex<Option<AtomicPtr<bool>>>"),
        ["AtomicPtr".to_owned()].into()
    );
}
