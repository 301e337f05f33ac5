#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (_, check) = ssod_fuzz::TARGETS.into_iter().find(|(name, _)| *name == "endpoint_url").expect("a listed target");
    check(data);
});
