//! Values of the LLaVA-ST coordinate format: records, spans, boxes, tubes, frame plans, text.
