//! Stages, loop and checkpoints of LLaVA-ST training.
