//! LLaVA-ST in Burn: tower, projector, LAPE, packers, decoder, generation.

pub mod batch;
pub mod census;
pub mod config;
pub mod coordinates;
mod cpu;
pub mod device_check;
pub mod generate;
pub mod init;
pub mod input;
pub mod lape;
pub mod layers;
pub mod lora;
pub mod loss;
pub mod model;
pub mod ops;
pub mod packer;
pub mod projector;
pub mod published;
pub mod qwen2;
pub mod recompute;
pub mod siglip;
pub mod tokenizer;
pub mod weights;
