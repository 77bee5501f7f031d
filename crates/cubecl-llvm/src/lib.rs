//! Stands in for `cubecl-llvm`, the compiler of `cubecl-cuda` that goes through LLVM.
//!
//! `cubecl-cuda` has two compilers: CUDA C++ through NVRTC, and LLVM. It always compiles both in, and which one runs is a
//! feature: `cpp`, which this workspace switches on, takes NVRTC. The build script of the real `cubecl-llvm` downloads an LLVM
//! bundle, so the build would need the internet, and the binary would carry LLVM without ever calling it. The workspace
//! therefore replaces that crate (`[patch.crates-io]`) by the names that `cubecl-cuda` mentions. Nothing in here runs; if it is
//! called after all, compiling a kernel is an error that says why.

use cubecl_core::ir::nvidia::SmArch;
use cubecl_core::prelude::KernelDefinition;
use cubecl_environment::backtrace::BackTrace;
use cubecl_runtime::compiler::{CompilationError, Compiler};
use cubecl_runtime::kernel::BufferIOAttr;

/// PTX versions.
pub mod nvptx {
    /// See [`PtxVersion`](ptx_version::PtxVersion).
    pub mod ptx_version {
        /// The PTX version that LLVM would emit; there is none.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub struct PtxVersion(());

        impl PtxVersion {
            /// `None`: nothing is emitted.
            #[must_use]
            pub fn for_driver(_driver: i32) -> Option<Self> {
                None
            }
        }

        impl std::fmt::Display for PtxVersion {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("none")
            }
        }
    }
}

/// What the compiler can lower.
pub mod shared {
    /// See [`restrict_features`](lowered_features::restrict_features).
    pub mod lowered_features {
        use cubecl_core::ir::DeviceProperties;

        /// Targets of the compiler.
        #[derive(Clone, Copy, Debug)]
        pub enum GpuTarget {
            /// NVIDIA.
            Nvptx,
        }

        /// Changes nothing: it is called only where LLVM is the compiler.
        pub fn restrict_features(_properties: &mut DeviceProperties, _target: GpuTarget) {}
    }
}

/// Targets of the compiler.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LlvmTarget {
    /// NVIDIA.
    #[default]
    Nvptx,
}

/// The compiler, which compiles nothing.
#[derive(Clone, Debug, Default)]
pub struct PlironCompiler {
    /// Target.
    pub target: LlvmTarget,
}

/// Options of the compiler.
#[derive(Clone, Debug, Default)]
pub struct PlironOptions {
    /// Architecture of an AMD device; never set here.
    pub arch: Option<()>,
    /// Architecture of an NVIDIA device.
    pub sm_arch: Option<SmArch>,
    /// PTX version.
    pub ptx_version: Option<nvptx::ptx_version::PtxVersion>,
    /// Whether scalars go into the kernel's parameters.
    pub grid_constants: bool,
}

/// A compiled module; there never is one.
#[derive(Clone, Debug)]
pub struct NvptxModule {
    /// PTX.
    pub ptx: Vec<std::ffi::c_char>,
    /// Entry point.
    pub entrypoint: String,
    /// Intermediate representation.
    pub ir: String,
    /// Shared memory in bytes.
    pub shared_memory_size: usize,
    /// Access of each buffer.
    pub io: Vec<BufferIOAttr>,
}

/// What the compiler would give.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PlironArtifact {
    /// A module for NVIDIA.
    NvptxCode(NvptxModule),
}

impl std::fmt::Display for PlironArtifact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self::NvptxCode(module) = self;
        f.write_str(&module.ir)
    }
}

impl Compiler for PlironCompiler {
    type Representation = PlironArtifact;
    type CompilationOptions = PlironOptions;

    fn compile(
        &mut self,
        _kernel: KernelDefinition,
        _options: &PlironOptions,
    ) -> Result<PlironArtifact, CompilationError> {
        let reason =
            "this build has no LLVM; cubecl-cuda has to be built with its feature `cpp`".to_owned();
        Err(CompilationError::Generic {
            reason,
            backtrace: BackTrace::capture(),
        })
    }

    fn extension(&self) -> &'static str {
        "ll"
    }

    fn lang_tag(&self) -> &'static str {
        "llvm"
    }
}
