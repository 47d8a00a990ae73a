use crate::store_clocks::*;

const SKEW: Duration = Duration::from_secs(5);

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// The store's clock is right; an answer took `took`, and the database, `ahead` of it, is read `later` in `reading`.
fn stands_after(took: f64, later: f64, reading: f64, ahead: f64) -> Stands {
    let (begin, true_time) = (Instant::now(), UNIX_EPOCH + Duration::from_secs(1_800_000_000));
    let mut worst = Stands::Agree;
    // The store may have looked at its clock at any moment of the request, and shows whole seconds.
    for share in [0.0, 0.5, 1.0] {
        let looked = took * share + 0.7;
        let shown = (1_800_000_000.0 + looked).floor();
        let told = Told {
            sent: begin + seconds(0.7),
            received: begin + seconds(0.7 + took),
            date: Some(UNIX_EPOCH + seconds(shown)),
            within: OF_A_DATE,
        };
        for at in [0.0, 1.0] {
            let moment = 0.7 + took + later + reading * at;
            let read = Read {
                asked: begin + seconds(0.7 + took + later),
                read: begin + seconds(0.7 + took + later + reading),
                at: if ahead < 0.0 {
                    true_time + seconds(moment) - seconds(-ahead)
                } else {
                    true_time + seconds(moment + ahead)
                },
            };
            let found = stands(told, read, KNOWN_FOR);
            if found != Stands::Agree {
                worst = found;
            }
        }
    }
    worst
}

#[test]
fn clocks_that_agree_are_never_told_apart_however_long_things_take() {
    for took in [0.0, 0.3, 20.0] {
        for later in [0.0, 1.0, 55.0] {
            for reading in [0.0, 2.0, 30.0] {
                assert_eq!(stands_after(took, later, reading, 0.0), Stands::Agree, "{took} {later} {reading}");
                for ahead in [-5.0, 5.0] {
                    let found = stands_after(took, later, reading, ahead);
                    assert!(!found.is_beyond(SKEW), "{took} {later} {reading} {ahead}: {found:?}");
                }
            }
        }
    }
}

#[test]
fn a_clock_that_is_wrong_by_more_than_can_be_in_doubt_is_told_in_both_directions() {
    for took in [0.0, 0.3, 2.0] {
        for later in [0.0, 1.0, 55.0] {
            let ahead = stands_after(took, later, 0.1, 5.0 + 2.0 + took + 0.3);
            assert!(matches!(ahead, Stands::Ahead(_)) && ahead.is_beyond(SKEW), "{took} {later}: {ahead:?}");
            let behind = stands_after(took, later, 0.1, -(5.0 + 1.0 + took + 0.3));
            assert!(matches!(behind, Stands::Behind(_)) && behind.is_beyond(SKEW), "{took} {later}: {behind:?}");
        }
    }
}

#[test]
fn what_is_not_told_or_told_long_ago_is_not_known() {
    let (now, at) = (Instant::now(), SystemTime::now());
    let read = |after: Duration| Read { asked: now + after, read: now + after, at };
    let (clocks, of) = (Clocks::default(), ClockOf::dynamodb("eu-west-1", None));
    assert_eq!(clocks.stands(&of, read(Duration::ZERO)), Stands::Unknown);
    clocks.told(&of, Told { sent: now, received: now, date: None, within: OF_A_DATE });
    assert_eq!(clocks.stands(&of, read(Duration::ZERO)), Stands::Untold);
    let wrong = Some(at - Duration::from_secs(60));
    clocks.told(&of, Told { sent: now, received: now, date: wrong, within: OF_A_DATE });
    let error = clocks.check(&of, read(Duration::ZERO), SKEW).expect_err("a minute");
    assert_eq!(error.code, CLOCK_SKEW);
    assert!(error.message.contains("at least 58 s ahead of that of DynamoDB in eu-west-1"), "{error}");
    assert_eq!(clocks.beyond(read(Duration::ZERO), SKEW), [error.message]);
    assert_eq!(clocks.stands(&of, read(Duration::from_secs(61))), Stands::Unknown);
    // An answer that took long says less than what is known.
    let long = Told { sent: now, received: now + Duration::from_secs(30), date: Some(at), within: OF_A_DATE };
    clocks.told(&of, long);
    assert!(clocks.stands(&of, read(Duration::ZERO)).is_beyond(SKEW));
}

#[test]
fn a_gateway_and_a_cache_do_not_tell_the_stores_time() {
    let (now, at) = (Instant::now(), SystemTime::now());
    let read = Read { asked: now, read: now, at };
    let (clocks, of) = (Clocks::default(), ClockOf::s3("eu-west-1", None));
    let answered = |status, headers: &[(&str, &'static str)]| {
        clocks.answered(&of, now, status, |name| Some(headers.iter().find(|header| header.0 == name)?.1));
        clocks.stands(&of, read)
    };
    let long_ago = ("date", "Tue, 29 Nov 1994 08:12:31 GMT");
    assert_eq!(answered(502, &[long_ago]), Stands::Unknown);
    assert_eq!(answered(200, &[long_ago, ("age", "3600")]), Stands::Untold);
    assert_eq!(answered(200, &[("date", "yesterday")]), Stands::Untold);
    assert!(answered(200, &[long_ago]).is_beyond(SKEW));
}
