//! The compression functions, and which of them this processor has.

#[cfg(target_arch = "aarch64")]
mod arm;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
pub(super) mod constants;
pub(super) mod engine;
pub(super) mod md5;
#[cfg(target_arch = "x86_64")]
mod shani;
#[cfg(target_arch = "x86_64")]
mod wide;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod words;

/// A way to compute SHA-256, and MD5 on what vectors come with it.
///
/// Any value is safe to use on any processor: one that the processor lacks computes as
/// [`Path::Portable`] does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Path {
    /// Sixteen streams in AVX-512 vectors; the few left at the end on the SHA instructions.
    Avx512,
    /// Three interleaved streams on the x86 SHA instructions.
    ShaNi,
    /// Eight streams in AVX2 vectors, for x86 without SHA instructions.
    Avx2,
    /// Three interleaved streams on the SHA-256 instructions of AArch64.
    ArmSha2,
    /// One stream through the sha2 crate.
    Portable,
}

impl Path {
    /// Fastest first where a processor has several; whether AVX-512 beats the SHA instructions differs by processor.
    const ALL: [Self; 5] = [
        Self::Avx512,
        Self::ShaNi,
        Self::Avx2,
        Self::ArmSha2,
        Self::Portable,
    ];

    /// How many streams keep this path busy.
    pub fn lanes(self) -> usize {
        match self {
            Self::Avx512 => 16,
            Self::Avx2 => 8,
            Self::ShaNi | Self::ArmSha2 => 3,
            Self::Portable => 1,
        }
    }

    /// The name that reports and `AGENT_SHA256_PATH` use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Avx512 => "avx512",
            Self::ShaNi => "sha-ni",
            Self::Avx2 => "avx2",
            Self::ArmSha2 => "arm",
            Self::Portable => "portable",
        }
    }

    /// The paths that this processor has, in that order. Never empty.
    pub fn available() -> Vec<Self> {
        Self::ALL
            .into_iter()
            .filter(|path| path.is_available())
            .collect()
    }

    fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => engine::Avx512::detect().is_some(),
            #[cfg(target_arch = "x86_64")]
            Self::ShaNi => engine::ShaNi::detect().is_some(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => engine::Avx2::detect().is_some(),
            #[cfg(target_arch = "aarch64")]
            Self::ArmSha2 => engine::Arm::detect().is_some(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn portable_is_always_there() {
        assert_eq!(Path::available().last(), Some(&Path::Portable));
        assert!(Path::available().contains(&Path::detected()));
    }

    #[test]
    fn names_differ() {
        for (i, path) in Path::ALL.iter().enumerate() {
            assert!(Path::ALL[..i].iter().all(|p| p.name() != path.name()));
        }
    }
}
