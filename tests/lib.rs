//! The end-to-end tests are one binary in `e2e/`. `interop/` contains the Python programs that they run.
