//! Conversations: brackets to placeholders and numbers, and back.
