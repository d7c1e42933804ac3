//! temporary
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Clean,
    Unclear,
    No,
}
pub(crate) struct Picture {
    pub(crate) droppable: bool,
    pub(crate) access: Access,
}
pub(crate) struct Bitstream;
impl Bitstream {
    pub(crate) fn new(_: &str, _: &[u8]) -> Self {
        Self
    }
    pub(crate) fn examine(&mut self, _: &[u8]) -> Picture {
        Picture { droppable: false, access: Access::Unclear }
    }
}
