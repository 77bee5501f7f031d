//! Probing, decoding and resizing of videos and images.
