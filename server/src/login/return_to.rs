//! Where somebody goes after signing in: a path of this server and nothing else, or a login would be a way to send people anywhere.

/// Longer than any path of ours.
const LONGEST: usize = 512;

/// Where who asks for nothing goes.
pub(super) const DEFAULT: &str = "/signed-in";

/// The path, if it is one of this server. Only plain characters: browsers take `\` for `/`, leave out tabs, and read more than one way
/// what is encoded.
pub(super) fn checked(given: &str) -> Option<&str> {
    let (path, query) = given.split_once('?').map_or((given, ""), |(path, query)| (path, query));
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte);
    let in_query = |byte: u8| plain(byte) || b"=&+%:,".contains(&byte);
    let ok = given.len() <= LONGEST
        && path.starts_with('/')
        && !path.contains("//")
        && !path.split('/').any(|part| part == "." || part == "..")
        && path.bytes().all(plain)
        && query.bytes().all(in_query);
    // To the login itself it would go round and round.
    (ok && path != "/login" && !path.starts_with("/login/")).then_some(given)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_this_server_are_taken() {
        for good in ["/", "/signed-in", "/moves/0199f3a1-7c1d", "/moves?tenant=acme&state=a%20b", "/a~b/c_d.html"] {
            assert_eq!(checked(good), Some(good));
        }
        let long = format!("/{}", "a".repeat(LONGEST));
        for bad in [
            "",
            "evil.example",
            "https://evil.example",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            "\t//evil.example",
            " /x",
            "/%2f/evil.example",
            "/%2Fevil.example",
            "/%5cevil.example",
            "/%09/evil.example",
            "/a//b",
            "/a/../b",
            "/./x",
            "/@evil.example",
            "/x#y",
            "/x:y",
            "javascript:alert(1)",
            "/\u{0}",
            "/é",
            "/x?a=<b>",
            "/x?a=\"",
            "/x?a=b\r\nSet-Cookie: c=d",
            "/login",
            "/login?return_to=/x",
            "/login/callback",
            &long,
        ] {
            assert_eq!(checked(bad), None, "{bad:?}");
        }
    }
}
