//! End-to-end tests live in `e2e/`, one binary; `interop/` holds the small programs of other languages.
