//! LLaVA-ST in Burn: tower, projector, LAPE, packers, decoder, generation.
