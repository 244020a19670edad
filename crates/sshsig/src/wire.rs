//! The SSH wire encoding (RFC 4251 section 5): `byte`, `uint32` and `string`.

/// Takes fields off the front of a buffer; `None` where the buffer ends early.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Reader { rest: bytes }
    }

    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.rest.split_at_checked(count)?;
        self.rest = tail;
        Some(head)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    pub(super) fn uint32(&mut self) -> Option<u32> {
        let bytes = self.take(4)?.try_into().ok()?;
        Some(u32::from_be_bytes(bytes))
    }

    pub(super) fn string(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.uint32()?).ok()?;
        self.take(length)
    }

    /// All that was not taken.
    pub(super) fn rest(self) -> &'a [u8] {
        self.rest
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }
}

/// Builds a buffer field by field.
#[derive(Default)]
pub(super) struct Writer {
    bytes: Vec<u8>,
    overflow: bool,
}

impl Writer {
    /// One that does not grow, and so leaves no copies of a secret, up to
    /// `room` bytes.
    pub(super) fn with_room(room: usize) -> Self {
        Writer {
            bytes: Vec::with_capacity(room),
            overflow: false,
        }
    }

    pub(super) fn raw(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    pub(super) fn uint32(self, value: u32) -> Self {
        self.raw(&value.to_be_bytes())
    }

    pub(super) fn string(mut self, bytes: &[u8]) -> Self {
        match u32::try_from(bytes.len()) {
            Ok(length) => self.uint32(length).raw(bytes),
            Err(_) => {
                self.overflow = true;
                self
            }
        }
    }

    /// `None` when a string was longer than its length field can say.
    pub(super) fn finish(self) -> Option<Vec<u8>> {
        (!self.overflow).then_some(self.bytes)
    }
}
