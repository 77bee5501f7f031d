//! Frame shards: tar files with an index, written once and read by memory map.
