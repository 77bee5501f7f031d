//! Model folders: safetensors, indexes, adapters; strict and memory mapped.
