//! What a model writes, read into spans, boxes, tubes and captions.
