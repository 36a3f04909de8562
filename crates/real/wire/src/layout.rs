//! The fields of device sections, by the VM description of the stream.
//!
//! A description of QEMU's names each field, its encoding and its size, so that a reader can take a
//! section apart without knowing the device. [`Layout::parse`] reads the description, and
//! [`StateLayout::decode`] walks a payload by it. QEMU: `vmsd_desc_field_start`,
//! `vmsd_desc_field_end`, `vmstate_save_state_v` (`migration/vmstate.c`).
//!
//! # Bounds
//!
//! A description has at most [`MAX_DESCRIBED`] objects, as deep as `serde_json` allows (128), with
//! names of at most [`MAX_NAME`] bytes. A walk visits at most [`PIECES`] pieces and
//! [`PIECES_PER_BYTE`] for each byte of the payload.

use std::cell::Cell;
use std::fmt;

use serde::de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::configuration::SUBSECTION;
use crate::{DecodeError, VmDescription};

/// Maximum number of fields, states and subsections in a description. QEMU's have a few hundred for
/// a small machine, and some tens for each processor.
pub const MAX_DESCRIBED: usize = 1 << 17;

/// Maximum length of a name in a description, in bytes. QEMU's have less than 100.
pub const MAX_NAME: usize = 1024;

/// Pieces that any payload may have, an empty one too.
pub const PIECES: usize = 256;

/// Pieces that a payload may have for each byte of it. QEMU's have less than one.
pub const PIECES_PER_BYTE: usize = 16;

/// The layouts of a stream's sections.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// The target page size.
    pub page_size: Option<u64>,
    /// The configuration; QEMU 7.2 leaves it out.
    pub configuration: Option<StateLayout>,
    /// The device sections, in the order of the stream.
    pub devices: Vec<DeviceLayout>,
}

/// The layout of a device section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceLayout {
    /// Name of the section.
    pub name: String,
    /// Number that distinguishes devices of the same name.
    pub instance_id: u64,
    /// The payload.
    pub state: StateLayout,
}

/// The layout of a state: fields, then subsections.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateLayout {
    /// Name of the VMState description; none for a handler of the old style.
    pub vmsd_name: Option<String>,
    /// Version of the format.
    pub version: u64,
    /// The fields, in the order of the stream.
    pub fields: Vec<FieldLayout>,
    /// The subsections that were sent.
    pub subsections: Vec<StateLayout>,
}

/// The layout of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldLayout {
    /// Name of the field.
    pub name: String,
    /// QEMU's name of the encoding, for instance `uint32` or `struct`.
    pub kind: String,
    /// Length of the field, or of one element, in bytes.
    pub size: u64,
    /// Number of elements, if the description has an array in one piece.
    pub array_len: Option<u64>,
    /// Index of the element, if the description has an array element by element.
    pub index: Option<u64>,
    /// The layout of a struct.
    pub state: Option<StateLayout>,
}

/// A piece of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// A field that is no struct, or an array of such.
    Field {
        /// Its layout.
        field: &'a FieldLayout,
        /// Offset of the first byte in the payload.
        at: usize,
        /// Its bytes; those of all elements.
        bytes: &'a [u8],
    },
    /// A struct begins; its pieces follow, and then [`Piece::End`].
    Struct {
        /// Its layout.
        field: &'a FieldLayout,
        /// Index of the element, if it is one of an array.
        index: Option<u64>,
        /// Offset of the first byte in the payload.
        at: usize,
    },
    /// A subsection begins; its pieces follow, and then [`Piece::End`].
    Subsection {
        /// Its name.
        name: &'a str,
        /// Version of its format.
        version: u32,
        /// Offset of the first byte in the payload.
        at: usize,
    },
    /// The end of a struct or a subsection.
    End,
    /// Bytes inside a struct that its fields do not have. QEMU 7.2 describes a NULL pointer in an
    /// array as a struct without fields.
    Undescribed {
        /// Offset of the first byte in the payload.
        at: usize,
        /// The bytes.
        bytes: &'a [u8],
    },
}

/// The value of a field, or of one element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// An unsigned integer.
    Unsigned(u64),
    /// A signed integer.
    Signed(i64),
    /// A boolean.
    Bool(bool),
    /// Bytes of another encoding.
    Bytes(&'a [u8]),
}

impl FieldLayout {
    /// Returns the values in `bytes`, one for each element.
    pub fn values<'a>(&self, bytes: &'a [u8]) -> impl Iterator<Item = Value<'a>> {
        let size = usize::try_from(self.size).unwrap_or(usize::MAX).max(1);
        let base = self.kind.split(' ').next().unwrap_or_default();
        // `int32 le` and `uint8 equal` only check what they load. `pci config` is no integer.
        let number = |prefix: &str| {
            base.strip_prefix(prefix).is_some_and(|bits| bits.parse() == Ok(self.size * 8))
        };
        let (unsigned, signed) = (number("uint"), number("int") || self.kind == "timer");
        let boolean = self.kind == "bool" && size == 1;
        bytes.chunks(size).map(move |element| {
            let value = (element.len() <= 8).then(|| be(element));
            match value {
                Some(value) if unsigned => Value::Unsigned(value),
                Some(value) if signed => {
                    let unused = 64 - 8 * element.len() as u32;
                    Value::Signed((value << unused) as i64 >> unused)
                }
                Some(value) if boolean => Value::Bool(value != 0),
                _ => Value::Bytes(element),
            }
        })
    }
}

fn be(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

impl Layout {
    /// Reads a description.
    ///
    /// # Errors
    ///
    /// If it is not the JSON of a description, or has more than [`MAX_DESCRIBED`] objects.
    pub fn parse(description: &VmDescription) -> Result<Layout, serde_json::Error> {
        let left = Cell::new(MAX_DESCRIBED);
        let mut json = serde_json::Deserializer::from_slice(description.as_bytes());
        let top = ObjectSeed(&left).deserialize(&mut json)?;
        json.end()?;
        let devices = top.devices.into_iter().map(|device| DeviceLayout {
            name: device.name.clone().unwrap_or_default(),
            instance_id: device.instance_id.unwrap_or_default(),
            state: device.into_state(),
        });
        Ok(Layout {
            page_size: top.page_size,
            configuration: top.configuration.map(|object| object.into_state()),
            devices: devices.collect(),
        })
    }
}

impl StateLayout {
    /// Takes `bytes` apart, and passes the pieces to `visit` in the order of the stream.
    ///
    /// # Errors
    ///
    /// If the payload is not as the layout says. The offset of the error counts from the start of
    /// `bytes`. What comes before has been visited, though a struct or subsection may lack its
    /// [`Piece::End`].
    pub fn decode(
        &self,
        bytes: &[u8],
        visit: &mut dyn FnMut(Piece<'_>),
    ) -> Result<(), DecodeError> {
        let mut walk = Walk::new(bytes, visit);
        walk.state(self)?;
        if walk.at < bytes.len() {
            let found = format!("{} bytes more", bytes.len() - walk.at);
            return Err(walk.error("the end of the section, by its description", found));
        }
        Ok(())
    }

    /// Returns the length of the payload at the start of `bytes`, where no footer ends it.
    ///
    /// # Errors
    ///
    /// If `bytes` do not begin with such a payload.
    pub fn measure(&self, bytes: &[u8]) -> Result<usize, DecodeError> {
        let mut ignore = |_: Piece<'_>| ();
        let mut walk = Walk::new(bytes, &mut ignore);
        walk.state(self)?;
        Ok(walk.at)
    }
}

struct Walk<'a, 'v> {
    bytes: &'a [u8],
    at: usize,
    left: usize,
    visit: &'v mut dyn FnMut(Piece<'_>),
}

impl<'a, 'v> Walk<'a, 'v> {
    fn new(bytes: &'a [u8], visit: &'v mut dyn FnMut(Piece<'_>)) -> Self {
        let left = PIECES + PIECES_PER_BYTE * bytes.len();
        Walk { bytes, at: 0, left, visit }
    }

    fn error(&self, expected: impl Into<String>, found: impl Into<String>) -> DecodeError {
        DecodeError {
            offset: self.at as u64,
            section: None,
            expected: expected.into(),
            found: found.into(),
            end_of_stream: false,
            source: None,
        }
    }

    fn piece(&mut self, piece: Piece<'_>) -> Result<(), DecodeError> {
        let Some(left) = self.left.checked_sub(1) else {
            let most = PIECES + PIECES_PER_BYTE * self.bytes.len();
            let expected =
                format!("at most {most} fields in a section of {} bytes", self.bytes.len());
            return Err(self.error(expected, "more"));
        };
        self.left = left;
        (self.visit)(piece);
        Ok(())
    }

    fn take(&mut self, len: u64, name: &str) -> Result<&'a [u8], DecodeError> {
        let rest = &self.bytes[self.at..];
        match usize::try_from(len).ok().and_then(|len| rest.get(..len)) {
            Some(taken) => {
                self.at += taken.len();
                Ok(taken)
            }
            None => {
                let expected = format!("field `{name}` of {len} bytes");
                Err(self.error(expected, format!("{} bytes before the footer", rest.len())))
            }
        }
    }

    fn state(&mut self, state: &StateLayout) -> Result<(), DecodeError> {
        for field in &state.fields {
            self.field(field)?;
        }
        for subsection in &state.subsections {
            self.subsection(subsection)?;
        }
        Ok(())
    }

    fn field(&mut self, field: &FieldLayout) -> Result<(), DecodeError> {
        let Some(state) = &field.state else {
            let len = field.size.saturating_mul(field.array_len.unwrap_or(1));
            let at = self.at;
            let bytes = self.take(len, &field.name)?;
            return self.piece(Piece::Field { field, at, bytes });
        };
        for element in 0..field.array_len.unwrap_or(1) {
            let at = self.at;
            let index = field.index.or(field.array_len.map(|_| element));
            self.piece(Piece::Struct { field, index, at })?;
            self.state(state)?;
            let described = (self.at - at) as u64;
            if described < field.size && field.array_len.is_none() {
                let at = self.at;
                let bytes = self.take(field.size - described, &field.name)?;
                self.piece(Piece::Undescribed { at, bytes })?;
            }
            self.piece(Piece::End)?;
        }
        Ok(())
    }

    fn subsection(&mut self, layout: &StateLayout) -> Result<(), DecodeError> {
        let at = self.at;
        let name = layout.vmsd_name.as_deref().unwrap_or_default();
        let head = [&[SUBSECTION, name.len() as u8], name.as_bytes()].concat();
        let found = &self.bytes[at..];
        if !found.starts_with(&head) {
            let found = &found[..found.len().min(head.len())];
            let found = format!("\"{}\"", found.escape_ascii());
            return Err(self.error(format!("subsection {name:?}"), found));
        }
        self.at += head.len();
        let version = be(self.take(4, "version of the subsection")?) as u32;
        self.piece(Piece::Subsection { name, version, at })?;
        self.state(layout)?;
        self.piece(Piece::End)
    }
}

/// An object of the description, whatever it describes. QEMU writes some keys of one object several
/// times, for instance for each element of a list; the last one counts, as in Python.
#[derive(Default)]
struct Object {
    name: Option<String>,
    kind: Option<String>,
    vmsd_name: Option<String>,
    instance_id: Option<u64>,
    version: Option<u64>,
    size: Option<u64>,
    array_len: Option<u64>,
    index: Option<u64>,
    page_size: Option<u64>,
    state: Option<Box<Object>>,
    configuration: Option<Box<Object>>,
    fields: Option<Vec<Object>>,
    subsections: Vec<Object>,
    devices: Vec<Object>,
}

impl Object {
    fn into_state(self) -> StateLayout {
        StateLayout {
            vmsd_name: self.vmsd_name,
            version: self.version.unwrap_or_default(),
            fields: self.fields.into_iter().flatten().map(Object::into_field).collect(),
            subsections: self.subsections.into_iter().map(Object::into_state).collect(),
        }
    }

    fn into_field(self) -> FieldLayout {
        FieldLayout {
            name: self.name.unwrap_or_default(),
            kind: self.kind.unwrap_or_default(),
            size: self.size.unwrap_or_default(),
            array_len: self.array_len,
            index: self.index,
            state: self.state.map(|state| state.into_state()),
        }
    }
}

/// Reads an [`Object`]; the cell counts down to the most that a description may have.
#[derive(Clone, Copy)]
struct ObjectSeed<'c>(&'c Cell<usize>);

impl<'de> DeserializeSeed<'de> for ObjectSeed<'_> {
    type Value = Object;

    fn deserialize<D: de::Deserializer<'de>>(self, json: D) -> Result<Object, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ObjectSeed<'_> {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of a VM description")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
        let left =
            self.0.get().checked_sub(1).ok_or_else(|| {
                de::Error::custom(format_args!("more than {MAX_DESCRIBED} objects"))
            })?;
        self.0.set(left);
        let mut object = Object::default();
        while let Some(key) = map.next_key::<std::borrow::Cow<'_, str>>()? {
            match &*key {
                "name" => object.name = Some(name(&mut map)?),
                "type" => object.kind = Some(name(&mut map)?),
                "vmsd_name" => object.vmsd_name = Some(name(&mut map)?),
                "instance_id" => object.instance_id = Some(map.next_value()?),
                "version" => object.version = Some(map.next_value()?),
                "size" => object.size = Some(map.next_value()?),
                "array_len" => object.array_len = Some(map.next_value()?),
                "index" => object.index = Some(map.next_value()?),
                "page_size" => object.page_size = Some(map.next_value()?),
                "struct" => object.state = Some(Box::new(map.next_value_seed(self)?)),
                "configuration" => {
                    object.configuration = Some(Box::new(map.next_value_seed(self)?));
                }
                "fields" => object.fields = Some(map.next_value_seed(ListSeed(self))?),
                "subsections" => object.subsections = map.next_value_seed(ListSeed(self))?,
                "devices" => object.devices = map.next_value_seed(ListSeed(self))?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(object)
    }
}

fn name<'de, A: MapAccess<'de>>(map: &mut A) -> Result<String, A::Error> {
    let name: String = map.next_value()?;
    if name.len() > MAX_NAME {
        return Err(de::Error::custom(format_args!("a name of {} bytes", name.len())));
    }
    Ok(name)
}

struct ListSeed<'c>(ObjectSeed<'c>);

impl<'de> DeserializeSeed<'de> for ListSeed<'_> {
    type Value = Vec<Object>;

    fn deserialize<D: de::Deserializer<'de>>(self, json: D) -> Result<Vec<Object>, D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for ListSeed<'_> {
    type Value = Vec<Object>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of a VM description")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<Object>, A::Error> {
        let mut objects = Vec::new();
        while let Some(object) = list.next_element_seed(self.0)? {
            objects.push(object);
        }
        Ok(objects)
    }
}
