//! Everything that can go wrong on the way, each alone and all of it together: every event arrives, and is stored twice
//! only where a reply was lost.

use super::fixture::{Fixture, parcels, spaced};
use agent_ship::classify::Class;
use harness::front::Fault;
use std::time::Duration;

const PUT: &str = "PutLogEvents";
const CREATE: &str = "CreateLogStream";

#[test]
// Its table of cases is what is long.
#[allow(clippy::too_many_lines)]
fn every_fault_is_survived() {
    use Class::{Clock, Content, Credentials, Missing, Passing, Policy, Throttled, Unknown};
    use Fault::{
        Belie, CutReply, None, Page, Refuse, ResetAfter, ResetBefore, ResetDuring, Slow, Trickle,
    };
    // Fault of each call in turn, and the classes of trouble that are told of, one for each send that failed.
    // Faults that a send mends by itself are told of when they come again.
    let cases: &[(&str, &[Fault], &[Class])] = &[
        (PUT, &[None], &[]),
        (PUT, &[Trickle], &[]),
        (PUT, &[Refuse(500, "InternalFailure", "oops")], &[Passing]),
        (
            PUT,
            &[Refuse(503, "ServiceUnavailableException", "busy"); 5],
            &[Passing; 5],
        ),
        (PUT, &[Page(502, "<html>Bad Gateway</html>")], &[Passing]),
        (
            PUT,
            &[Refuse(400, "ThrottlingException", "Rate exceeded")],
            &[Throttled],
        ),
        (PUT, &[Page(429, "")], &[Throttled]),
        (PUT, &[ResetBefore; 3], &[Passing; 3]),
        (PUT, &[ResetDuring; 3], &[Passing; 3]),
        (PUT, &[None, ResetAfter], &[Passing]),
        (PUT, &[None, CutReply], &[Passing]),
        (PUT, &[None, Slow], &[Passing]),
        (PUT, &[None, Belie(500, "InternalFailure")], &[Passing]),
        (PUT, &[Page(200, "<html>Please log in</html>")], &[Passing]),
        (PUT, &[Page(200, "{}")], &[Passing]),
        (PUT, &[Page(200, "")], &[Passing]),
        (PUT, &[Page(302, "")], &[Unknown]),
        (
            PUT,
            &[Page(403, "<html>Blocked by the proxy</html>")],
            &[Unknown],
        ),
        (PUT, &[Page(407, "<html>Who are you?</html>")], &[Unknown]),
        (
            PUT,
            &[Refuse(400, "NobodyKnowsException", "what?")],
            &[Unknown],
        ),
        (
            PUT,
            &[Refuse(400, "AccessDeniedException", "no"); 3],
            &[Policy; 3],
        ),
        (
            PUT,
            &[Refuse(
                403,
                "IncompleteSignature",
                "secret of first, told to nobody",
            )],
            &[Policy],
        ),
        (PUT, &[Refuse(400, "ExpiredTokenException", "old")], &[]),
        (
            PUT,
            &[Refuse(400, "ExpiredTokenException", "old"); 2],
            &[Credentials],
        ),
        (
            PUT,
            &[Refuse(400, "UnrecognizedClientException", "who?"); 4],
            &[Credentials; 2],
        ),
        (
            PUT,
            &[Refuse(
                403,
                "InvalidSignatureException",
                "secret of first, told to nobody",
            ); 2],
            &[Clock],
        ),
        (
            PUT,
            &[Refuse(400, "ResourceNotFoundException", "gone")],
            &[],
        ),
        (
            PUT,
            &[Refuse(400, "ResourceNotFoundException", "gone"); 2],
            &[Passing],
        ),
        (
            PUT,
            &[Refuse(400, "InvalidParameterException", "one of them"); 3],
            &[],
        ),
        (PUT, &[Page(413, ""), Page(413, "")], &[]),
        (PUT, &[Refuse(400, "SerializationException", "what?")], &[]),
        (
            CREATE,
            &[Refuse(400, "ThrottlingException", "Rate exceeded"); 2],
            &[Throttled; 2],
        ),
        (
            CREATE,
            &[Refuse(400, "ResourceNotFoundException", "no such group")],
            &[Missing],
        ),
        (
            CREATE,
            &[Refuse(400, "AccessDeniedException", "no")],
            &[Policy],
        ),
        (
            CREATE,
            &[Refuse(400, "LimitExceededException", "too many")],
            &[Throttled],
        ),
        (
            CREATE,
            &[Refuse(
                400,
                "OperationAbortedException",
                "somebody else does it",
            )],
            &[Passing],
        ),
        (CREATE, &[Belie(400, "ResourceAlreadyExistsException")], &[]),
        (CREATE, &[ResetBefore], &[Passing]),
        (CREATE, &[ResetAfter], &[Passing]),
        (CREATE, &[CutReply], &[Passing]),
        (CREATE, &[Page(200, "")], &[Passing]),
        (
            CREATE,
            &[Refuse(400, "InvalidParameterException", "name")],
            &[Content],
        ),
    ];
    for (operation, faults, classes) in cases {
        let slow = faults.contains(&Slow);
        let mut fixture = Fixture::with(|options| {
            if slow {
                options.call = Duration::from_secs(3);
            }
        });
        fixture.front.fail(operation, faults);
        let parcels = parcels(60);
        fixture.deliver(&parcels);
        let lost = *operation == PUT && faults.iter().any(|fault| fault.loses_the_reply());
        fixture.holds(&parcels, lost);
        if lost {
            assert!(
                fixture.stored().values().all(|count| *count <= 2),
                "{faults:?}"
            );
        }
        // What is slow on purpose is slower than a busy machine, but that is all that can be said.
        if !slow {
            assert_eq!(
                &fixture.classes(),
                classes,
                "{operation} {faults:?} {:#?}",
                fixture.troubles()
            );
        }
        assert!(
            fixture
                .front
                .calls("")
                .iter()
                .all(|c| [PUT, CREATE].contains(&c.operation.as_str()))
        );
    }
}

/// Faults in any order, several batches under way: what is true of one fault is true of all of them together.
#[test]
fn any_mixture_of_faults_is_survived() {
    use Fault::{Belie, CutReply, None, Page, Refuse, ResetAfter, ResetBefore, ResetDuring};
    let harmless = [
        None,
        None,
        None,
        ResetBefore,
        ResetDuring,
        Page(200, ""),
        Page(503, ""),
        Page(413, ""),
        Refuse(400, "ThrottlingException", "Rate exceeded"),
        Refuse(400, "ExpiredTokenException", "old"),
        Refuse(403, "InvalidSignatureException", "when?"),
        Refuse(400, "AccessDeniedException", "no"),
        Refuse(400, "ResourceNotFoundException", "gone"),
        Refuse(400, "InvalidParameterException", "which?"),
        Refuse(418, "", ""),
    ];
    let lossy = [
        ResetAfter,
        CutReply,
        Belie(500, "InternalFailure"),
        Belie(400, "ThrottlingException"),
    ];
    for seed in 0..12 {
        let mut random = fastrand::Rng::with_seed(seed);
        let all = [&harmless[..], if seed % 2 == 0 { &lossy } else { &[] }].concat();
        let mut fixture = Fixture::new();
        let faults: Vec<Fault> = (0..40)
            .map(|_| *random.choice(&all).expect("one"))
            .collect();
        fixture.front.fail(PUT, &faults);
        fixture.front.fail(CREATE, &faults[..6]);
        // Four days, so at least four batches.
        let parcels = spaced(200, 4 * 86_400_000 / 200);
        fixture.deliver(&parcels);
        fixture.holds(&parcels, seed % 2 == 0);
        assert!(fixture.refused.is_empty(), "{seed}: {:?}", fixture.refused);
    }
}
