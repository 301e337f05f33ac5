use std::fmt::Write as _;

use ssod_vault::KeyStore;

use super::load::decode;
use super::*;

#[test]
fn every_setting_is_optional() {
    assert_eq!(Settings::parse("").unwrap(), Settings::default());
    let some = Settings::parse(
        "[endpoint]\nport = 7800\n[imds]\nprofiles = { readOnlyUser = 7747 }\n[vault]\nkey = \"file\"\n\
         [refresh]\nkeep_fresh = [\"adminUser\"]\nidle_after = \"1h30m\"\n[login]\nflow = \"device-code\"\n\
         session_length = \"8h\"\n[lock]\nidle_after = \"30m\"\n[notifications]\nbefore_expiry = \"5m\"\n\
         [aws_cli]\nshare_access_token = true\n[network]\nproxy = \"http://proxy:3128\"\nportal_rate = 2.5\n\
         [log]\nformat = \"json\"\n",
    )
    .unwrap();
    let name = |text: &str| ProfileName::parse(text).unwrap();
    assert_eq!(some.endpoint.port, Some(7800));
    assert_eq!(some.imds.profiles, BTreeMap::from([(name("readOnlyUser"), 7747)]));
    assert_eq!(some.vault.key, KeyStoreChoice::Only(KeyStore::File));
    assert_eq!(some.refresh.keep_fresh, KeepFresh::Listed([name("adminUser")].into()));
    assert_eq!(some.refresh.idle_after, Duration::from_mins(90));
    assert_eq!(some.login.flow, FlowSetting::DeviceCode);
    assert_eq!(some.lock.idle_after, Some(Duration::from_mins(30)));
    assert_eq!(some.policy().session_length, Some(Duration::from_hours(8)));
    assert_eq!(some.notifications.before_expiry, Duration::from_mins(5));
    assert!(some.aws_cli.share_access_token && some.notifications.desktop && some.imds.enabled);
    assert_eq!((some.network.proxy.as_str(), some.network.portal_rate), ("http://proxy:3128", 2.5));
    assert_eq!(some.log.format, LogFormat::Json);
    let lines: Vec<_> = some.named_profiles.iter().map(|named| (named.name.as_str(), named.line)).collect();
    assert_eq!(lines, [("readOnlyUser", 4), ("adminUser", 8)]);
    assert_eq!(Settings::parse("[lock]\nidle_after = \"\"\n").unwrap(), Settings::default());
}

#[test]
fn trusted_endpoints_are_addresses_on_loopback() {
    let read = |list: &str| Settings::parse(&format!("[network]\ntrusted_endpoints = {list}\n"));
    let addresses = |list: &str| {
        let found = read(list).unwrap().network.trusted_endpoints;
        found.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(addresses("[]"), [""; 0]);
    assert_eq!(addresses("['127.0.0.1:4566', 'http://[::1]:80/']"), ["127.0.0.1:4566", "[::1]:80"]);
    assert_eq!(addresses("['localhost:4566']"), ["127.0.0.1:4566", "[::1]:4566"]);
    for refused in [
        "'127.0.0.1:4566'",
        "['127.0.0.1']",
        "[4566]",
        "['198.51.100.7:4566']",
        "['0.0.0.0:4566']",
        "['localhost.evil.example:4566']",
        "['https://localhost:4566']",
        "['http://u:p@127.0.0.1:4566']",
    ] {
        let mistake = read(refused).unwrap_err();
        assert_eq!(mistake.line, 2, "{refused}");
        assert!(mistake.message.contains("a list of addresses on loopback"), "{}", mistake.message);
    }
}

#[test]
fn a_table_can_be_written_in_each_way_of_toml() {
    let inline = Settings::parse("imds = { profiles = { a = 1, \"b.c\" = 2 } }\n").unwrap();
    let table = Settings::parse("[imds.profiles]\na = 1\n\"b.c\" = 2\n").unwrap();
    let dotted = Settings::parse("\r\nimds.profiles.a = 1\r\nimds.profiles.\"b.c\" = 0x2\r\n").unwrap();
    assert_eq!(inline.imds.profiles.len(), 2);
    assert!(inline.imds == table.imds && table.imds == dotted.imds);
    assert_eq!(table.named_profiles[1].line, 3);
    assert_eq!(
        Settings::parse("[refresh]\nkeep_fresh = 'all' # every one\n").unwrap().refresh.keep_fresh,
        KeepFresh::All
    );
}

#[test]
fn the_defaults_of_the_words_are_words() {
    for choice in KeyStoreChoice::all() {
        let text = format!("[vault]\nkey = \"{}\"\n", choice.as_str());
        assert_eq!(Settings::parse(&text).unwrap().vault.key, choice);
    }
    for (word, flow) in FlowSetting::WORDS {
        assert_eq!(Settings::parse(&format!("[login]\nflow = \"{word}\"\n")).unwrap().login.flow, flow);
    }
    for (word, format) in LogFormat::WORDS {
        assert_eq!(Settings::parse(&format!("[log]\nformat = \"{word}\"\n")).unwrap().log.format, format);
    }
}

/// Returns what the user reads for each of these files: the error and the hint.
fn read_by_the_user(files: &[&str]) -> String {
    let mut read = String::new();
    for text in files {
        let mistake = Settings::parse(text).expect_err(text);
        assert!(mistake.line <= text.lines().count().max(1), "{text:?}: line {}", mistake.line);
        assert!(!mistake.message.ends_with('.') && !mistake.message.contains('\n'), "{mistake:?}");
        let line = text.lines().nth(mistake.line - 1).unwrap_or_default();
        writeln!(
            read,
            "{line}\n    line {}: {}.\n    hint: {}\n",
            mistake.line,
            mistake.message,
            mistake.remedy()
        )
        .unwrap();
    }
    read
}

/// Compares what the user reads with the snapshot of that name.
fn assert_read(name: &str, files: &[&str]) {
    insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!(name, read_by_the_user(files)) });
}

#[test]
fn unknown_names_are_explained() {
    assert_read(
        "unknown_names",
        &[
            "[refesh]\nkeep_fresh = \"all\"\n",
            "[nonsense]\n",
            "[aws-cli]\nshare_access_token = true\n",
            "[[endpoint]]\nport = 7746\n",
            "endpoint = 7746\n",
            "port = 7746\n[endpoint]\n",
            "nonsense = 1\n",
            "[endpoint]\nprot = 1\n",
            "[endpoint]\n\n# a comment\nPort = 7746\n",
            "[endpoint]\naddress = \"0.0.0.0\"\n",
            "[refresh]\nkeep-fresh = \"all\"\n",
            "[vault]\nport = 7746\n",
            "[vault]\nidle_after = \"1h\"\n",
            "[vault.store]\nkey = \"file\"\n",
            "[endpoint]\nport = 7746\n\"a\\u0007b\" = 1\n",
        ],
    );
}

#[test]
fn values_of_another_kind_are_explained() {
    assert_read(
        "wrong_values",
        &[
            "[endpoint]\nport = \"7746\"\n",
            "[endpoint]\nport = 99999\n",
            "[endpoint]\nport = 0\n",
            "[endpoint]\nport = -1\n",
            "[endpoint]\nport = 7746.0\n",
            "[endpoint]\nport = 77.5\n",
            "[endpoint]\nport = [7746]\n",
            "[endpoint]\nport = true\n",
            "[endpoint]\nport = 99999999999999999999999\n",
            "[imds]\nenabled = \"yes\"\n",
            "[imds]\nenabled = 0\n",
            "[imds]\nenabled = \"perhaps\"\n",
            "[network]\nproxy = 3128\n",
            "[network]\nproxy = [\"http://alice:secret@proxy\"]\n",
            "[network]\nca_bundle = false\n",
            "[network]\nportal_rate = 0\n",
            "[network]\nportal_rate = \"5\"\n",
            "[network]\nportal_rate = nan\n",
            "[vault]\nkey = \"flie\"\n",
            "[vault]\nkey = \"floppy\"\n",
            "[vault]\nkey = 1979-05-27\n",
            "[login]\nflow = \"device_code\"\n",
            "[login]\nbrowser = [\"firefox\", \"{url}\"]\n",
            "[log]\nformat = \"JSON\"\n",
            "[notifications]\nbefore_expiry = \"15\"\n",
            "[notifications]\nbefore_expiry = 15\n",
            "[notifications]\nbefore_expiry = \"-15m\"\n",
            "[notifications]\nbefore_expiry = \"15 minuts\"\n",
            "[refresh]\nidle_after = \"7d\"\n",
            "[refresh]\nidle_after = \"2 weeks\"\n",
            "[refresh]\nidle_after = \"soon\"\n",
            "[refresh]\nidle_after = \"\"\n",
            "[refresh]\nidle_after = [\"12h\"]\n",
            "[login]\nsession_length = 8\n",
            "[lock]\nidle_after = \"0s\"\n",
            "[lock]\nidle_after = \"never\"\n",
        ],
    );
}

#[test]
fn wrong_lists_of_profiles_and_ports_are_explained() {
    assert_read(
        "profiles_and_ports",
        &[
            "[refresh]\nkeep_fresh = \"al\"\n",
            "[refresh]\nkeep_fresh = \"adminUser\"\n",
            "[refresh]\nkeep_fresh = true\n",
            "[refresh]\nkeep_fresh = [\n  \"adminUser\",\n  3,\n]\n",
            "[refresh]\nkeep_fresh = [\"adminUser\", \"\"]\n",
            "[imds]\nprofiles = [\"readOnlyUser\"]\n",
            "[imds]\nprofiles = { readOnlyUser = \"7747\" }\n",
            "[imds.profiles]\nadminUser = 7747\nreadOnlyUser = 70000\n",
            "[imds.profiles]\nteam.adminUser = 7747\n",
            "[imds.profiles]\n\"\" = 7747\n",
            "[imds.profiles]\nb = 7747\na = 7747\n",
            "[imds.profiles]\na = 7746\n[endpoint]\nport = 7746\n",
            "[endpoint]\nport = 65535\n[imds.profiles]\na = 65535\n",
        ],
    );
}

#[test]
fn text_that_is_not_toml_is_explained() {
    assert_read(
        "syntax",
        &[
            "not toml\n",
            "[endpoint\nport = 7746\n",
            "endpoint]\nport = 7746\n",
            "[end point]\n",
            "[endpoint]\nport\n",
            "[endpoint]\nport =\n",
            "[endpoint]\nport = # none\n",
            "[endpoint]\n= 7746\n",
            "[endpoint]\nport: 7746\n",
            "[endpoint]\nport == 7746\n",
            "[endpoint]\nport = 7746;\n",
            "[endpoint]\nport = 07746\n",
            "[endpoint]\nport = \"7746\n",
            "[vault]\nkey = file\n",
            "[vault]\nkey = \"file\n",
            "[vault]\nkey = “file”\n",
            "[imds]\nenabled = yes\n",
            "[imds]\nenabled = True\n",
            "[refresh]\nidle_after = 12h\n",
            "[refresh]\nkeep_fresh = [\"adminUser\"\n\n[login]\nflow = \"auto\"\n",
            "[refresh]\nkeep_fresh = [\"adminUser\n",
            "[refresh]\nkeep_fresh = [adminUser]\n",
            "[refresh]\nkeep_fresh = [\n  \"adminUser\",\n  readOnlyUser,\n]\n",
            "[imds]\nprofiles = { readOnlyUser = 7747\n",
            "[imds.profiles]\nmy profile = 7747\n",
            "[imds.profiles]\nme@work = 7747\n",
            "[network]\nproxy = http://alice:secret@proxy:3128\n",
            "[network]\nproxy = \"http://alice:secret@proxy:3128\n",
            "; a comment\n",
            "[endpoint]\n// a comment\n",
            "[endpoint]\nport = 7746\n[vault]\n[endpoint]\nport = 7747\n",
            "[endpoint]\nport = 7746\nport = 7747\n",
            "[refresh]\nkeep_fresh = [\n  \"adminUser\",\n  readOnlyUser,\n]\n[login]\n",
            "[refresh]\nkeep_fresh = [adminUser, readOnlyUser]\n",
            "[refresh]\nkeep_fresh = \"\"\"\nall\n",
            "[imds]\nenabled = true\nprofiles = { a = 1 }\nprofiles.b = 2\n",
            "[imds]\nprofiles = { a = 1 }\n[imds.profiles]\nb = 2\n",
        ],
    );
}

#[test]
fn no_mistake_repeats_what_may_be_secret() {
    for line in [
        "proxy = http://alice:hunter2@proxy:3128",
        "proxy = \"http://alice:hunter2@proxy:3128",
        "proxy: http://alice:hunter2@proxy:3128",
        "proxy = [\"http://alice:hunter2@proxy:3128\"]",
        "proxy = { url = \"http://alice:hunter2@proxy:3128\" }",
        "\"http://alice:hunter2@proxy:3128\"",
        "prxy = \"http://alice:hunter2@proxy:3128\"",
    ] {
        let mistake = Settings::parse(&format!("[network]\n{line}\n")).unwrap_err();
        assert!(!format!("{mistake:?}").contains("hunter2"), "{line}: {mistake:?}");
    }
}

#[test]
fn the_first_of_several_mistakes_is_reported() {
    let mistake = Settings::parse("[vault]\nkey = 1\n[endpoint]\nprot = 1\n[refesh]\n").unwrap_err();
    assert_eq!(mistake.line, 2);
}

#[test]
fn each_suggested_line_is_right() {
    for (text, line) in [
        ("[endpoint]\nport = \"7746\"\n", "port = 7746"),
        ("[imds]\nenabled = yes\n", "enabled = true"),
        ("[refresh]\nidle_after = 12h\n", "idle_after = \"12h\""),
        ("[refresh]\nidle_after = \"7d\"\n", "idle_after = \"168h\""),
        ("[refresh]\nkeep_fresh = \"adminUser\"\n", "keep_fresh = [\"adminUser\"]"),
        ("[imds.profiles]\nteam.adminUser = 7747\n", "\"team.adminUser\" = 7747"),
        ("[vault]\nkey = “file”\n", "key = \"file\""),
        ("[network]\ntrusted_endpoints = \"[::1]:80\"\n", "trusted_endpoints = [\"[::1]:80\"]"),
    ] {
        let advice = Settings::parse(text).unwrap_err().advice.unwrap();
        assert_eq!(advice, format!("did you mean {line}?"));
        let (header, _) = text.split_once('\n').unwrap();
        Settings::parse(&format!("{header}\n{line}\n")).unwrap();
    }
}

#[test]
fn bytes_that_are_not_utf_8_name_their_line_and_a_byte_order_mark_is_accepted() {
    let mistake = decode(b"[login]\nbrowser = \"caf\xe9\"\n").unwrap_err();
    let error = SettingsError::Invalid { path: "/home/ann/config.toml".into(), mistake };
    assert_eq!(
        error.to_string(),
        "/home/ann/config.toml line 2: this line has bytes that are not text in UTF-8; save the file in that encoding"
    );
    assert_eq!(error.remedy(), "Fix line 2");
    let text = decode(b"\xef\xbb\xbf[endpoint]\nport = 7800\n").unwrap();
    assert_eq!(Settings::parse(text).unwrap().endpoint.port, Some(7800));
}

/// Counts the work instead of measuring its time: each of these files is a different way to make it grow faster than
/// the file.
#[test]
fn the_work_for_a_file_with_mistakes_grows_no_faster_than_the_file() {
    let settings = |count: usize| (0..count).map(|number| format!("x{number} = 1\n")).collect::<String>();
    for text in [
        format!("[refresh]\n{}", settings(20_000)),
        format!("[refresh]\n{}x =\n", settings(20_000)),
        format!("[refresh]\n{}", "idle_after = \"1h\"\n".repeat(20_000)),
        format!("[refresh]\nkeep_fresh = [\n{}", "  \"name\",\n".repeat(20_000)),
        format!("[refresh]\nkeep_fresh = {}", "[".repeat(100_000)),
        format!("[refresh]\nkeep_fresh = \"{}", "x".repeat(400_000)),
        format!("{} = 1\n", "a.".repeat(100_000)),
    ] {
        file::counting::PARSED_BYTES.set(0);
        let mistake = Settings::parse(&text).unwrap_err();
        assert!(mistake.message.len() + mistake.advice.map_or(0, |advice| advice.len()) < 1_000);
        let parsed = file::counting::PARSED_BYTES.get();
        let start: String = text.chars().take(40).collect();
        assert!(parsed <= 4 * 1024 * 1024 + 8 * text.len(), "{parsed} bytes for {}: {start}", text.len());
    }
}

#[test]
fn presence_needs_a_key_store_with_a_password() {
    let parse = |key: &str| Settings::parse(&format!("[vault]\nkey = \"{key}\"\n[lock]\npresence = true\n"));
    for key in ["auto", "secret-service"] {
        assert!(parse(key).unwrap().lock.presence, "{key}");
    }
    for key in ["file", "keyutils"] {
        let mistake = parse(key).unwrap_err();
        assert_eq!(mistake.line, 4);
        assert!(mistake.message.contains(&format!("[vault] key says {key}, which has none")), "{mistake:?}");
    }
    assert!(Settings::parse("[vault]\nkey = \"file\"\n[lock]\npresence = false\n").is_ok());
}
