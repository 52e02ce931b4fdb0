//! Given a subscription, when something is bought, reported or changed, then this is what becomes of it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::*;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::Config;
use simdock_domain::*;

const MONTH: i64 = 30 * DAY;

// What was used, and what is left.

#[test]
fn the_use_of_a_month_is_what_its_reports_added() {
    let (main, new) = begun(&one_off(), at(0));
    let month = at(0).month_start();
    let next_month = month.plus_seconds(32 * DAY).month_start();
    assert_eq!((new.month_mb(at(0)), new.data_left()), (0, Some(5120)));
    let used = told(&new, usage(100), at(500));
    assert_eq!((used.month_mb(at(500)), used.data_left()), (100, Some(5020)));
    let used = told(&used, usage(130), at(600));
    // An older report says less, and one again nothing.
    assert_eq!(used.report(usage(120), at(550), everywhere, at(700)), Err(Rejected::Done));
    assert_eq!((used.month_mb(at(600)), used.month_mb(next_month)), (130, 0));
    assert_eq!(used.month_use, Some(MonthUse { since: month, used_mb: 130 }));

    // Another plan's counter begins anew, and counts to the same month.
    let (_, both) = added("far", more(), &used, &main, &far_away(), at(700));
    let abroad = both.report(usage(40), at(800), in_japan, at(800)).unwrap();
    assert_eq!((abroad.month_mb(at(800)), abroad.data_left()), (170, Some(5120 - 130 + 5120 - 40)));

    // What a later month's report adds is that month's, and a late one from before it counts no more.
    let later = told(&used, usage(150), next_month.plus_seconds(9));
    assert_eq!((later.month_mb(next_month), later.month_mb(at(600))), (20, 0));
    let late = later.report(usage(160), next_month.plus_seconds(-1), everywhere, next_month.plus_seconds(10)).unwrap();
    assert_eq!((late.plans[0].used_mb, late.month_mb(next_month)), (160, 20));
}

#[test]
fn what_is_left_is_of_the_plans_that_are_not_over() {
    let (main, new) = begun(&renewable(), at(0));
    let until = new.activate_before.unwrap();
    let days = until.seconds_since(at(0)) / DAY;
    assert_eq!(new.days_left(until.plus_seconds(-days * DAY)), Some(days), "to be installed");
    assert_eq!(new.current_plan().unwrap().plan_id, "monthly");
    let used = told(&new, usage(120), at(500));
    assert_eq!((used.days_left(at(500)), used.days_left(at(501)), used.days_left(at(500 + DAY))), (Some(30), Some(30), Some(29)));
    let (_, both) = added("next", more(), &used, &main, &renewable(), at(600));
    assert_eq!((both.data_left(), both.days_left(at(600))), (Some(5000 + 5120), Some(30)));
    let over = told(&used, over(OverReason::UsedUp), at(700));
    assert_eq!((over.data_left(), over.has_unlimited_data(), over.days_left(at(700))), (None, false, None));
    assert_eq!(over.current_plan().unwrap().used_mb, 120, "the last that ran");
    let mut unlimited = used;
    assert!(!unlimited.has_unlimited_data());
    unlimited.plans[0].data_mb = None;
    assert_eq!((unlimited.data_left(), unlimited.has_unlimited_data()), (None, true));
    unlimited.plans[0].state = over.plans[0].state;
    assert!(!unlimited.has_unlimited_data());
}

#[test]
fn a_line_that_used_more_than_its_rule_allows_is_suspended_in_the_same_version() {
    let (_, new) = begun(&one_off(), at(0));
    let used = told(&new, usage(100), at(500));
    assert_eq!(used.clone().held_to(None, at(500)), used);
    assert_eq!(used.clone().held_to(Some(100), at(500)), used, "as much as it may");
    let held = used.clone().held_to(Some(99), at(500));
    assert_eq!(
        held,
        Subscription {
            service: Service::Suspending { since: at(500), failed: 0, next_at: at(500) },
            service_history: vec![ServiceEntry {
                at: at(500),
                event: ServiceEvent::SuspensionRequested,
                asker: Some(ServiceAsker::Rule)
            }],
            ..used.clone()
        }
    );
    assert_eq!(held.clone().held_to(Some(99), at(501)), held, "once is enough");
    let next_month = at(0).month_start().plus_seconds(32 * DAY);
    assert_eq!(used.clone().held_to(Some(99), next_month), used);
    // What keeps it from being suspended now is waited for.
    let suspended = held.service_changed(at(510)).unwrap();
    let resuming = suspended.want_service(true, ServiceAsker::Partner, at(520)).unwrap();
    assert_eq!(resuming.clone().held_to(Some(99), at(530)), resuming);
    let resumed = resuming.service_changed(at(540)).unwrap();
    assert_eq!(resumed.held_to(Some(99), at(550)).service.name(), "suspending");
}

/// What is named, and what is changed.
type Change = (&'static str, fn(&mut PlanRun));

#[test]
fn a_plan_stays_as_it_was_sold_whatever_is_used_of_it_and_every_change_is_named() {
    let plan = renewable();
    let (main, new) = begun(&plan, at(0));
    let used = told(&new, usage(120), at(500));
    for subscription in [&new, &used] {
        assert_eq!(subscription.plans[0].astray(&main, &plan), [] as [&str; 0]);
    }
    // Where its time stands still, it may end later.
    let (patient, new) = begun(&pausing(), at(0));
    let running = told(&new, Report::Attached, at(500));
    let mut longer = running.plans[0].clone();
    longer.state = RunState::Running { from: at(500), until: at(500 + 2 * MONTH) };
    assert_eq!(longer.astray(&patient, &pausing()), [] as [&str; 0]);
    let changes: [Change; 7] = [
        ("plan", |run| run.plan_version += 1),
        ("flow type", |run| run.flow_type = FlowType::OneOff),
        ("days", |run| run.days += 1),
        ("end", |run| run.state = RunState::Running { from: at(500), until: at(501 + MONTH) }),
        ("data", |run| run.data_mb = None),
        ("add-ons", |run| run.add_on_ids.push("data-1gb".into())),
        ("whether it stands still while suspended", |run| run.pauses = true),
    ];
    for (name, change) in changes {
        let mut run = used.plans[0].clone();
        change(&mut run);
        assert_eq!(run.astray(&main, &plan), [name]);
    }
}

// When plans begin.

#[test]
fn a_plan_begins_at_its_first_attach_and_runs_its_days() {
    let (_, new) = begun(&one_off(), at(0));
    assert_eq!(states(&new), [RunState::Waiting]);
    let attached = told(&new, Report::Attached, at(500));
    assert_eq!(states(&attached), [running(500, 500 + MONTH)]);
    assert_eq!(attached.version, new.version + 1);
    assert_eq!(attached.next_attention(), Some(at(500 + MONTH)));
    assert_eq!(attached.report(Report::Attached, at(600), everywhere, at(600)), Err(Rejected::Done));
}

#[test]
fn a_plan_begins_only_where_it_works() {
    let (main, new) = begun(&one_off(), at(0));
    let (_, both) = added("far", more(), &new, &main, &far_away(), at(10));
    let in_japan_first = both.report(Report::Attached, at(500), in_japan, at(500)).unwrap();
    assert_eq!(states(&in_japan_first), [RunState::Waiting, running(500, 500 + MONTH)]);
    let then_in_spain = in_japan_first.report(Report::Session(true), at(900), in_spain, at(900)).unwrap();
    assert_eq!(states(&then_in_spain), [running(900, 900 + MONTH), running(500, 500 + MONTH)], "both run at once");
    let nowhere = new.report(Report::Attached, at(500), in_japan, at(500)).unwrap();
    assert_eq!(states(&nowhere), [RunState::Waiting]);
    assert_eq!(nowhere.activate_before, None, "the card was in a phone, so it was installed");
}

#[test]
fn going_online_and_using_data_are_attaching_too_and_going_offline_is_not() {
    let (_, new) = begun(&one_off(), at(0));
    assert_eq!(states(&told(&new, Report::Session(true), at(500))), [running(500, 500 + MONTH)]);
    assert_eq!(states(&told(&new, usage(3), at(500))), [running(500, 500 + MONTH)]);
    let offline = told(&new, Report::Session(false), at(500));
    assert_eq!((states(&offline), offline.session), (vec![RunState::Waiting], Some((false, at(500)))));
    let named = told(&new, Report::Usage { plan: Some(0), used_mb: 3 }, at(500));
    assert_eq!(states(&named), [running(500, 500 + MONTH)], "what was used has begun");
}

#[test]
fn a_card_cannot_have_attached_before_somebody_had_it() {
    let (_, new) = begun(&one_off(), at(100));
    let attached = told(&new, Report::Attached, at(40));
    assert_eq!(states(&attached), [running(100, 100 + MONTH)], "its operator's clock is late");
}

#[test]
fn one_off_plans_stack_and_each_begins_at_the_first_attach_after_the_one_before() {
    let (main, new) = begun(&one_off(), at(0));
    let (_, two) = added("second", more(), &new, &main, &one_off(), at(10));
    let first = told(&two, Report::Attached, at(500));
    assert_eq!(states(&first), [running(500, 500 + MONTH), RunState::Waiting]);
    let over = first.tick(true, at(500 + MONTH)).unwrap();
    assert_eq!(states(&over), [ended(500, 500 + MONTH, OverReason::Expired), RunState::Waiting]);
    let second = told(&over, Report::Attached, at(900 + MONTH));
    assert_eq!(states(&second)[1], running(900 + MONTH, 900 + 2 * MONTH));
}

#[test]
fn the_next_plan_begins_at_an_attach_though_nobody_noticed_the_end_of_the_one_before() {
    let (main, new) = begun(&one_off(), at(0));
    let (_, two) = added("second", more(), &told(&new, Report::Attached, at(500)), &main, &one_off(), at(600));
    let second = told(&two, Report::Attached, at(900 + MONTH));
    assert_eq!(states(&second), [ended(500, 500 + MONTH, OverReason::Expired), running(900 + MONTH, 900 + 2 * MONTH)]);
}

#[test]
fn a_renewal_follows_on_without_a_gap() {
    let (main, new) = begun(&renewable(), at(0));
    let running_one = told(&new, Report::Attached, at(500));
    let (_, two) = added("renewal", renewal(), &running_one, &main, &renewable(), at(600));
    assert_eq!(states(&two)[1], RunState::Waiting);
    let (_, three) = added("another", renewal(), &two, &main, &renewable(), at(700));
    // Nobody looked for a long time.
    let later = three.tick(true, at(500 + 2 * MONTH + 5)).unwrap();
    let expected = [
        ended(500, 500 + MONTH, OverReason::Expired),
        ended(500 + MONTH, 500 + 2 * MONTH, OverReason::Expired),
        running(500 + 2 * MONTH, 500 + 3 * MONTH),
    ];
    assert_eq!(states(&later), expected);
    assert_eq!(three.closed_by(&later).len(), 2);
}

#[test]
fn a_renewal_of_a_plan_that_is_used_up_begins_there() {
    let (main, new) = begun(&renewable(), at(0));
    let (_, two) = added("renewal", renewal(), &told(&new, Report::Attached, at(500)), &main, &renewable(), at(600));
    let used_up = told(&two, usage(5120), at(1000));
    assert_eq!(states(&used_up), [ended(500, 1000, OverReason::UsedUp), running(1000, 1000 + MONTH)]);
}

#[test]
fn a_renewal_after_expiry_begins_at_once() {
    let (main, new) = begun(&renewable(), at(0));
    let over = told(&new, Report::Attached, at(500)).tick(true, at(500 + MONTH)).unwrap();
    let bought = 700 + MONTH;
    let (_, renewed) = added("renewal", renewal(), &over, &main, &renewable(), at(bought));
    assert_eq!(states(&renewed)[1], running(bought, bought + MONTH));
    // A late report from before it was bought takes nothing from it.
    let late = renewed.report(Report::Attached, at(600 + MONTH), everywhere, at(bought + 60));
    assert_eq!(late, Err(Rejected::Done));
}

#[test]
fn a_renewal_before_the_first_attach_waits_with_its_plan() {
    let (main, new) = begun(&renewable(), at(0));
    let (_, two) = added("renewal", renewal(), &new, &main, &renewable(), at(600));
    assert_eq!(states(&two), [RunState::Waiting, RunState::Waiting]);
    assert_eq!(states(&told(&two, Report::Attached, at(900))), [running(900, 900 + MONTH), RunState::Waiting]);
}

#[test]
fn a_renewal_that_was_bought_before_the_end_was_known_does_not_begin_before_it_was_bought() {
    let (main, new) = begun(&renewable(), at(0));
    let (_, two) = added("renewal", renewal(), &told(&new, Report::Attached, at(500)), &main, &renewable(), at(900));
    let late = two.report(over(OverReason::UsedUp), at(700), everywhere, at(1000)).unwrap();
    assert_eq!(states(&late), [ended(500, 700, OverReason::UsedUp), running(900, 900 + MONTH)]);
}

// When plans end.

#[test]
fn a_plan_is_used_up_when_its_allowance_is_and_add_ons_count() {
    let (main, new) = begun(&one_off(), at(0));
    let (_, more_data) = added("data", add_ons(&["data-1gb", "voice-eu"]), &new, &main, &one_off(), at(10));
    assert_eq!(more_data.plans[0].allowance(), Some(6144), "minutes are no data");
    let nearly = told(&more_data, usage(6143), at(500));
    assert!(nearly.plans[0].is_open());
    let used_up = told(&nearly, usage(6144), at(600));
    assert_eq!(states(&used_up), [ended(500, 600, OverReason::UsedUp)]);
    assert_eq!(
        nearly.closed_by(&used_up),
        [(num("main"), 0, OverReason::UsedUp), (num("data"), 0, OverReason::UsedUp)],
        "the plan's order, and that of the add-ons that went with it"
    );
}

#[test]
fn unlimited_data_is_never_used_up() {
    let plan = Plan { data_mb: None, ..one_off() };
    let (main, new) = begun(&plan, at(0));
    let (_, new) = added("data", add_ons(&["data-1gb"]), &new, &main, &plan, at(10));
    assert_eq!(new.plans[0].allowance(), None);
    assert!(told(&new, usage(u32::MAX), at(500)).plans[0].is_open());
}

#[test]
fn what_was_used_only_grows() {
    let (_, new) = begun(&one_off(), at(0));
    let some = told(&new, usage(300), at(600));
    assert_eq!(some.report(usage(200), at(700), everywhere, at(700)), Err(Rejected::Done));
    let late = some.report(usage(200), at(550), everywhere, at(700)).unwrap();
    assert_eq!((late.plans[0].used_mb, states(&late)), (300, vec![running(550, 550 + MONTH)]));
}

#[test]
fn a_plan_expires_when_its_days_are_over_and_not_before() {
    let (_, new) = begun(&one_off(), at(0));
    let running_one = told(&new, Report::Attached, at(500));
    assert_eq!(running_one.tick(true, at(500 + MONTH - 1)), Err(Rejected::NotDue));
    let over = running_one.tick(true, at(500 + MONTH)).unwrap();
    assert_eq!(running_one.closed_by(&over), [(num("main"), 0, OverReason::Expired)]);
    assert_eq!(over.next_attention(), None);
    assert_eq!(over.tick(true, at(500 + 2 * MONTH)), Err(Rejected::NotDue));
}

#[test]
fn the_operator_may_end_a_plan_by_name() {
    let (main, new) = begun(&one_off(), at(0));
    let (_, two) = added("second", more(), &new, &main, &one_off(), at(10));
    let over = told(&two, Report::Over { plan: Some(1), why: OverReason::Expired }, at(500));
    assert_eq!(states(&over), [RunState::Waiting, RunState::Over { from: None, at: at(500), why: OverReason::Expired }]);
    let unknown = Report::Over { plan: Some(7), why: OverReason::Expired };
    assert_eq!(over.report(unknown, at(600), everywhere, at(600)), Err(Rejected::Done));
}

#[test]
fn a_card_that_nobody_installs_in_time_loses_its_plans() {
    let (main, new) = begun(&renewable(), at(0));
    let (_, two) = added("renewal", renewal(), &new, &main, &renewable(), at(600));
    let deadline = 180 * DAY;
    assert_eq!(two.next_attention(), Some(at(deadline)));
    assert_eq!(two.tick(false, at(deadline - 1)), Err(Rejected::NotDue));
    let over = two.tick(false, at(deadline + 60)).unwrap();
    let never = RunState::Over { from: None, at: at(deadline), why: OverReason::NeverActivated };
    assert_eq!(states(&over), [never, never]);
    assert_eq!(two.closed_by(&over).len(), 2);
    assert_eq!(over.next_attention(), None);
    assert_eq!(states(&two.tick(true, at(deadline)).unwrap()), [RunState::Waiting; 2], "installed, it may wait on");
}

// Reports that come late, twice or in any order.

#[test]
fn a_late_attach_moves_the_beginning_of_what_it_began() {
    let (_, new) = begun(&one_off(), at(0));
    let late = told(&new, Report::Attached, at(900)).report(Report::Attached, at(500), everywhere, at(901)).unwrap();
    assert_eq!(states(&late), [running(500, 500 + MONTH)]);
    let used_up = told(&late, usage(5120), at(1000));
    let later = used_up.report(Report::Attached, at(400), everywhere, at(1001)).unwrap();
    assert_eq!(states(&later), [ended(400, 1000, OverReason::UsedUp)], "also when it is over meanwhile");
}

#[test]
fn the_report_that_ended_a_plan_does_not_touch_the_next_when_it_comes_again() {
    for plan in [renewable(), one_off()] {
        let (main, new) = begun(&plan, at(0));
        let (_, two) = added("second", more(), &told(&new, Report::Attached, at(500)), &main, &plan, at(600));
        for end in [usage(5120), over(OverReason::UsedUp), over(OverReason::Expired)] {
            let once = told(&two, end, at(1000));
            assert_eq!(once.report(end, at(1000), everywhere, at(1001)), Err(Rejected::Done), "{end:?} of {}", plan.plan_id);
            // Operators tell of one end in several ways, some a little later.
            for echo in [usage(5121), over(OverReason::UsedUp), over(OverReason::Expired)] {
                let twice = once.report(echo, at(1002), everywhere, at(1002)).unwrap_or_else(|_| once.clone());
                assert!(twice.plans[1].is_open(), "{end:?} then {echo:?} of {}", plan.plan_id);
                assert_eq!(twice.plans[1].used_mb, 0);
            }
        }
    }
}

#[test]
fn an_operator_that_tells_of_an_expiry_when_it_is_known_does_not_end_the_renewal() {
    let (main, new) = begun(&renewable(), at(0));
    let (_, two) = added("renewal", renewal(), &told(&new, Report::Attached, at(500)), &main, &renewable(), at(600));
    let expired = two.tick(true, at(500 + MONTH)).unwrap();
    for seconds in [0, 5, 600] {
        let again = expired.report(over(OverReason::Expired), at(500 + MONTH + seconds), everywhere, at(500 + MONTH + seconds));
        assert_eq!(again, Err(Rejected::Done), "{seconds} s later");
    }
    let much_later = told(&expired, over(OverReason::UsedUp), at(500 + MONTH + 2 * DAY));
    assert_eq!(states(&much_later)[1], ended(500 + MONTH, 500 + MONTH + 2 * DAY, OverReason::UsedUp));
}

#[test]
fn the_new_plans_own_counter_counts_for_it() {
    let (main, new) = begun(&renewable(), at(0));
    let (_, two) = added("renewal", renewal(), &told(&new, Report::Attached, at(500)), &main, &renewable(), at(600));
    let second = told(&told(&two, usage(5120), at(1000)), usage(12), at(1300));
    assert_eq!((second.plans[0].used_mb, second.plans[1].used_mb), (5120, 12));
}

#[test]
fn of_several_ends_the_earliest_counts_and_what_followed_moves_along() {
    let (main, new) = begun(&renewable(), at(0));
    let (_, two) = added("renewal", renewal(), &told(&new, Report::Attached, at(500)), &main, &renewable(), at(600));
    let expired = two.tick(true, at(500 + MONTH)).unwrap();
    let late = expired.report(usage(5120), at(400 + MONTH), everywhere, at(560 + MONTH)).unwrap();
    assert_eq!(states(&late), [ended(500, 400 + MONTH, OverReason::UsedUp), running(400 + MONTH, 400 + 2 * MONTH)]);
}

#[test]
fn the_newest_word_on_a_session_counts() {
    let (_, new) = begun(&one_off(), at(0));
    let offline = told(&told(&new, Report::Session(true), at(500)), Report::Session(false), at(700));
    assert_eq!(offline.report(Report::Session(true), at(600), everywhere, at(701)), Err(Rejected::Done));
}

#[test]
fn a_subscription_that_ended_takes_no_reports() {
    let (_, new) = begun(&one_off(), at(0));
    let over = new.end(EndReason::Cancelled, at(100)).unwrap();
    for report in [Report::Attached, usage(1), Report::Session(true), self::over(OverReason::Expired)] {
        assert_eq!(over.report(report, at(200), everywhere, at(200)), Err(Rejected::NotAllowed));
    }
    assert_eq!(over.tick(true, at(400 * DAY)), Err(Rejected::NotAllowed));
}

/// What an operator may say of the first of two plans, all of it before its days are over.
fn reports() -> impl Strategy<Value = Vec<(Report, i64)>> {
    let one = |ends: Vec<(Report, i64)>| {
        let last = ends.iter().map(|(_, when)| *when).min().unwrap_or(3000);
        let sighting = prop_oneof![
            Just(Report::Attached),
            Just(Report::Session(true)),
            (0..5000_u32).prop_map(usage),
            (0..5000_u32).prop_map(|used_mb| Report::Usage { plan: Some(0), used_mb }),
        ];
        let sightings = proptest::collection::vec((sighting, 100..last), 0..8);
        let offline = proptest::collection::vec((100..last).prop_map(|when| (Report::Session(false), when)), 0..2);
        (Just(ends), sightings, offline).prop_map(|(mut all, sightings, offline)| {
            all.extend(sightings);
            all.extend(offline);
            // Two that are told from the same second contradict each other.
            all.sort_by_key(|(_, when)| *when);
            all.dedup_by_key(|(_, when)| *when);
            // A counter only grows.
            let mut counted = 0;
            for (report, _) in &mut all {
                if let Report::Usage { used_mb, .. } = report {
                    counted = counted.max(*used_mb);
                    *used_mb = counted;
                }
            }
            all
        })
    };
    let end = prop_oneof![
        Just(usage(5120)),
        Just(usage(6000)),
        Just(over(OverReason::UsedUp)),
        Just(over(OverReason::Expired)),
        Just(Report::Over { plan: Some(0), why: OverReason::UsedUp }),
    ];
    proptest::collection::vec((end, 1000..3000_i64), 0..3).prop_flat_map(one)
}

fn ends(report: Report) -> bool {
    match report {
        Report::Usage { used_mb, .. } => used_mb >= 5120,
        Report::Over { .. } => true,
        Report::Attached | Report::Session(_) => false,
    }
}

proptest! {
    #![proptest_config(Config { failure_persistence: None, ..Config::default() })]

    #[test]
    fn the_order_of_reports_does_not_matter(
        reports in reports(),
        order in proptest::collection::vec(any::<Index>(), 0..20),
        renewing in any::<bool>(),
    ) {
        let plan = if renewing { renewable() } else { one_off() };
        let (main, new) = begun(&plan, at(0));
        let (_, two) = added("second", more(), &new, &main, &plan, at(10));
        // Somebody has seen the card, else the end of a plan that never began is another story.
        let two = told(&two, Report::Attached, at(90));
        let deliver = |reports: &[(Report, i64)]| {
            reports.iter().fold(two.clone(), |subscription, (report, when)| {
                subscription.report(*report, at(*when), everywhere, at(5000)).unwrap_or(subscription)
            })
        };
        let first_end = reports.iter().filter(|(report, _)| ends(*report)).map(|(_, when)| *when).min().unwrap_or(i64::MAX);
        // A one-off plan begins when the card is seen after the end of the one before, which nobody could tell before that end is known.
        let seen_after = |(report, when): &(Report, i64)| !renewing && *when > first_end && matches!(report, Report::Usage { plan: None, .. });
        let reports: Vec<(Report, i64)> = reports.into_iter().filter(|report| !seen_after(report)).collect();
        let mut shuffled: Vec<(Report, i64)> = Vec::new();
        if !reports.is_empty() {
            shuffled.extend(order.iter().map(|which| reports[which.index(reports.len())]));
        }
        shuffled.extend(reports.iter().rev());
        let (in_order, out_of_order) = (deliver(&reports), deliver(&shuffled));
        prop_assert_eq!(&in_order.plans, &out_of_order.plans, "{:?}", shuffled);
        prop_assert_eq!(in_order.session, out_of_order.session);
    }
}

// Changes of the whole.

fn open_change(order: &Order, kind: ChangeKind) -> OpenChange {
    let new_iccid = (kind == ChangeKind::Swap).then(|| iccid(2));
    OpenChange { kind, order: order.num.clone(), new_iccid, until: at(1000) }
}

#[test]
fn changes_of_the_whole_keep_each_other_away() {
    let (main, new) = begun(&renewable(), at(0));
    let swap = change("swap", esim_swap(), &new, &main, &renewable(), at(1)).unwrap();
    let end = change("end", SubscriptionChange::Cancellation, &new, &main, &renewable(), at(1)).unwrap();
    let kinds = [ChangeKind::Swap, ChangeKind::Cancellation, ChangeKind::Refund];
    for first in kinds {
        let claimed = new.claim(open_change(&swap, first)).unwrap();
        assert_eq!(claimed.claim(open_change(&swap, first)), Err(Rejected::Done), "the same order may say so twice");
        for second in kinds {
            assert_eq!(claimed.claim(open_change(&end, second)), Err(Rejected::Closed(Closed::Changing(first))));
        }
        assert_eq!(claimed.want_service(false, ServiceAsker::Partner, at(2)), Err(Rejected::Closed(Closed::Changing(first))));
        assert_eq!(claimed.next_attention(), Some(at(1000)), "somebody looks what became of it");
        assert_eq!(claimed.release(&end.num), Err(Rejected::NotAllowed), "it is not this order's");
        let free = claimed.release(&swap.num).unwrap();
        assert_eq!(free.open(), Ok(()));
        assert_eq!(free.release(&swap.num), Err(Rejected::Done));
    }
}

#[test]
fn what_was_paid_is_added_during_a_swap_and_goes_back_during_anything_else() {
    let (main, new) = begun(&renewable(), at(0));
    let order = pay(&change("renewal", renewal(), &new, &main, &renewable(), at(1)).unwrap(), 0, at(2));
    let claimed = |kind| new.claim(open_change(&main, kind)).unwrap();
    assert_eq!(claimed(ChangeKind::Swap).takes(&order, &renewable(), at(2)), Ok(()));
    assert!(claimed(ChangeKind::Swap).add(&order, &renewable(), at(3)).is_ok());
    for kind in [ChangeKind::Cancellation, ChangeKind::Refund] {
        assert_eq!(claimed(kind).add(&order, &renewable(), at(3)), Err(Rejected::Closed(Closed::Changing(kind))));
    }
    let over = new.end(EndReason::Cancelled, at(3)).unwrap();
    assert_eq!(over.add(&order, &renewable(), at(4)), Err(Rejected::Closed(Closed::Ended)));
}

#[test]
fn a_swap_keeps_the_subscription_its_plans_and_their_time() {
    let (main, new) = begun(&renewable(), at(0));
    let attached = told(&new, Report::Session(true), at(500));
    let swap = change("swap", esim_swap(), &attached, &main, &renewable(), at(600)).unwrap();
    let claimed = attached.claim(open_change(&swap, ChangeKind::Swap)).unwrap();
    let physical = pool(FormFactor::Physical);
    assert_eq!(claimed.swapped(&iccid(9), physical.clone(), at(700)), Err(Rejected::NotAllowed), "another card");
    assert_eq!(attached.swapped(&iccid(2), physical.clone(), at(700)), Err(Rejected::NotAllowed), "nobody asked for it");
    let swapped = claimed.swapped(&iccid(2), physical.clone(), at(700)).unwrap();
    assert_eq!((&swapped.id, &swapped.plans, &swapped.iccid), (&new.id, &attached.plans, &iccid(2)));
    assert_eq!(swapped.past_cards, [PastCard { iccid: iccid(1), until: at(700), order: swap.num.clone() }]);
    assert_eq!((swapped.open(), swapped.session, &swapped.pool), (Ok(()), None, &physical));
    assert_eq!(swapped.swapped(&iccid(2), physical, at(701)), Err(Rejected::Done));
}

#[test]
fn the_end_closes_what_waits_and_runs_and_nothing_else() {
    let (main, new) = begun(&one_off(), at(0));
    let (_, all) = added("second", more(), &new, &main, &one_off(), at(10));
    let (_, all) = added("third", more(), &all, &main, &one_off(), at(20));
    let all = told(&told(&told(&all, Report::Attached, at(500)), usage(5120), at(600)), Report::Attached, at(5000));
    let (_, all) = added("data", add_ons(&["data-1gb"]), &all, &main, &one_off(), at(5100));
    let all = all.claim(open_change(&main, ChangeKind::Refund)).unwrap();
    let over = all.end(EndReason::Refunded, at(6000)).unwrap();
    let closed = [
        (num("second"), 0, OverReason::Cancelled),
        (num("data"), 0, OverReason::Cancelled),
        (num("third"), 0, OverReason::Cancelled),
    ];
    assert_eq!(all.closed_by(&over), closed, "what was used up before is no business of the end");
    assert_eq!(states(&over)[0], ended(500, 600, OverReason::UsedUp));
    assert_eq!((over.ended, over.open()), (Some((at(6000), EndReason::Refunded)), Err(Closed::Ended)));
    assert_eq!(over.next_attention(), None);
    assert_eq!(over.end(EndReason::Cancelled, at(6001)), Err(Rejected::Done));
    assert_eq!(over.claim(open_change(&main, ChangeKind::Swap)), Err(Rejected::Closed(Closed::Ended)));
}

#[test]
fn a_cancelled_renewal_is_taken_away_and_the_next_follows_on_without_it() {
    let (main, new) = begun(&renewable(), at(0));
    let attached = told(&new, Report::Attached, at(500));
    let (first, two) = added("first", renewal(), &attached, &main, &renewable(), at(600));
    let (_, three) = added("next", renewal(), &two, &main, &renewable(), at(700));
    assert!(!three.has_begun(&first.num));
    assert!(three.has_begun(&main.num));
    let without = three.remove(&first.num, at(800)).unwrap();
    assert_eq!(three.closed_by(&without), [(num("first"), 0, OverReason::Cancelled)]);
    assert_eq!(without.remove(&first.num, at(801)), Err(Rejected::Done));
    let later = without.tick(true, at(500 + MONTH)).unwrap();
    assert_eq!(states(&later)[2], running(500 + MONTH, 500 + 2 * MONTH));
    assert_eq!(later.remove(&num("unknown"), at(900)), Err(Rejected::NotAllowed));
}

#[test]
fn cancelled_add_ons_are_taken_away_from_their_plan() {
    let (main, new) = begun(&one_off(), at(0));
    let (data, two) = added("data", add_ons(&["data-1gb"]), &new, &main, &one_off(), at(10));
    assert!(!two.has_begun(&data.num));
    let without = two.remove(&data.num, at(20)).unwrap();
    assert_eq!((without.plans[0].allowance(), two.closed_by(&without)), (Some(5120), Vec::new()));
    assert!(told(&two, Report::Attached, at(30)).has_begun(&data.num), "add-ons begin with their plan");
}

#[test]
fn adding_twice_is_adding_once() {
    let (main, new) = begun(&renewable(), at(0));
    for what in [renewal(), more(), add_ons(&["data-1gb"])] {
        let (order, once) = added("order", what, &new, &main, &renewable(), at(10));
        assert_eq!(once.add(&order, &renewable(), at(11)), Err(Rejected::Done));
    }
}

// Suspension.

fn suspended(plan: &Plan, from: i64) -> Subscription {
    let (_, new) = begun(plan, at(0));
    let wanted = told(&new, Report::Attached, at(500)).want_service(false, ServiceAsker::Partner, at(from)).unwrap();
    wanted.service_changed(at(from + 10)).unwrap()
}

#[test]
fn service_is_wanted_first_and_changed_when_the_operator_did_it() {
    let (_, new) = begun(&renewable(), at(0));
    let wanted = new.want_service(false, ServiceAsker::Partner, at(10)).unwrap();
    assert_eq!(wanted.service, Service::Suspending { since: at(10), failed: 0, next_at: at(10) });
    assert_eq!(wanted.next_attention(), Some(at(10 + QUIET)));
    assert_eq!(wanted.want_service(false, ServiceAsker::Partner, at(11)), Err(Rejected::Done));
    assert_eq!(wanted.want_service(true, ServiceAsker::Partner, at(11)), Err(Rejected::NotDue), "one thing after the other");
    let delayed = wanted.service_delayed(Some(600), at(12)).unwrap();
    assert_eq!(delayed.service, Service::Suspending { since: at(10), failed: 1, next_at: at(612) });
    let off = delayed.service_changed(at(620)).unwrap();
    assert_eq!(off.service, Service::Suspended { since: at(620) });
    assert_eq!(off.service_changed(at(621)), Err(Rejected::Done));
    assert_eq!(off.service_delayed(None, at(621)), Err(Rejected::Done));
    assert_eq!(off.service_refused(at(621)), Err(Rejected::Done));
    assert_eq!(off.want_service(false, ServiceAsker::Partner, at(621)), Err(Rejected::Done));
    let resuming = off.want_service(true, ServiceAsker::Partner, at(630)).unwrap();
    assert_eq!(resuming.want_service(true, ServiceAsker::Partner, at(631)), Err(Rejected::Done));
    assert_eq!(resuming.want_service(false, ServiceAsker::Partner, at(631)), Err(Rejected::NotDue));
    assert_eq!(resuming.service_refused(at(650)).unwrap().service, Service::Suspended { since: at(620) });
    assert_eq!(resuming.service_changed(at(640)).unwrap().service, Service::On);
    assert_eq!(wanted.service_refused(at(650)).unwrap().service, Service::On);
}

#[test]
fn who_wanted_a_service_and_what_the_operator_said_is_remembered_for_a_while() {
    use ServiceEvent::{Refused, Resumed, ResumptionRequested, Suspended, SuspensionRequested};
    let (_, mut line) = begun(&renewable(), at(0));
    let mara = || ServiceAsker::Manager("mara".into());
    line = line.want_service(false, mara(), at(10)).unwrap().service_delayed(None, at(11)).unwrap();
    line = line.service_changed(at(100)).unwrap().want_service(true, ServiceAsker::Partner, at(110)).unwrap();
    line = line.service_refused(at(120)).unwrap().want_service(true, mara(), at(130)).unwrap().service_changed(at(140)).unwrap();
    let entry = |seconds, event, asker| ServiceEntry { at: at(seconds), event, asker };
    assert_eq!(
        line.service_history,
        [
            entry(10, SuspensionRequested, Some(mara())),
            entry(100, Suspended, None),
            entry(110, ResumptionRequested, Some(ServiceAsker::Partner)),
            entry(120, Refused, None),
            entry(130, ResumptionRequested, Some(mara())),
            entry(140, Resumed, None),
        ]
    );
    for round in 0..20 {
        let after = 1000 * (round + 1);
        line = line.want_service(false, mara(), at(after)).unwrap().service_changed(at(after + 1)).unwrap();
        line = line.want_service(true, mara(), at(after + 2)).unwrap().service_changed(at(after + 3)).unwrap();
    }
    assert_eq!((line.service_history.len(), line.service_history.last().unwrap().at), (12, at(20_003)));
    // One that was stored before there was any of this.
    let mut stored = serde_json::to_value(&line).unwrap();
    stored.as_object_mut().unwrap().remove("sh");
    assert_eq!(serde_json::from_value::<Subscription>(stored).unwrap().service_history, []);
}

#[test]
fn the_time_of_a_suspended_plan_runs_on() {
    let off = suspended(&renewable(), 1000);
    assert_eq!(off.next_attention(), Some(at(500 + MONTH)));
    let over = off.tick(true, at(500 + MONTH)).unwrap();
    assert_eq!(states(&over), [ended(500, 500 + MONTH, OverReason::Expired)]);
}

#[test]
fn the_time_of_a_pausing_plan_stands_still_while_it_is_suspended() {
    let off = suspended(&pausing(), 990);
    assert_eq!(off.next_attention(), None);
    assert_eq!(off.tick(true, at(500 + 5 * MONTH)), Err(Rejected::NotDue));
    let resuming = off.want_service(true, ServiceAsker::Partner, at(9000 + MONTH)).unwrap();
    assert_eq!(resuming.tick(true, at(600 + 5 * MONTH)), Err(Rejected::NotDue), "until the operator has done it");
    let on = resuming.service_changed(at(1000 + 2 * MONTH)).unwrap();
    assert_eq!(states(&on), [running(500, 500 + MONTH + 2 * MONTH)], "it was off from 1000 on");
}

#[test]
fn a_pausing_plan_that_was_over_before_the_suspension_stays_over() {
    let (_, new) = begun(&pausing(), at(0));
    let wanted = told(&new, Report::Attached, at(500)).want_service(false, ServiceAsker::Partner, at(400 + MONTH)).unwrap();
    // Its time ran out before the operator did it, and nobody had looked.
    let off = wanted.service_changed(at(600 + MONTH)).unwrap();
    assert_eq!(off.next_attention(), Some(at(500 + MONTH)));
    let on = off.want_service(true, ServiceAsker::Partner, at(700 + MONTH)).unwrap().service_changed(at(900 + MONTH)).unwrap();
    assert_eq!(states(&on.tick(true, at(900 + MONTH)).unwrap()), [ended(500, 500 + MONTH, OverReason::Expired)]);
}

#[test]
fn a_pausing_plan_that_began_while_suspended_gets_back_only_its_own_time() {
    let (main, new) = begun(&renewable(), at(0));
    let (_, two) = added("patient", renewal(), &told(&new, Report::Attached, at(500)), &main, &pausing(), at(600));
    let off = two.want_service(false, ServiceAsker::Partner, at(900)).unwrap().service_changed(at(1000)).unwrap();
    let followed = off.tick(true, at(500 + MONTH)).unwrap();
    assert_eq!(states(&followed)[1], running(500 + MONTH, 500 + 2 * MONTH));
    let on = followed
        .want_service(true, ServiceAsker::Partner, at(500 + MONTH + 9))
        .unwrap()
        .service_changed(at(500 + MONTH + 300))
        .unwrap();
    assert_eq!(states(&on)[1], running(500 + MONTH, 500 + 2 * MONTH + 300));
}

// Limits.

#[test]
fn add_ons_keep_to_the_limits_of_the_plan_they_go_with_over_all_top_ups() {
    let fourteen: Vec<String> = std::iter::repeat_n("data-1gb".to_owned(), 14).collect();
    let with = Draft { add_on_ids: [fourteen, vec!["voice-eu".into()]].concat(), ..draft(1) };
    let (main, new) = begun_with(with, &renewable(), at(0));
    let top_up = |subscription: &Subscription, ids: &[&str]| {
        change("top-up", add_ons(ids), subscription, &main, &renewable(), at(10)).map(|order| order.price())
    };
    let too_much = Err(PlaceError::AddOns(AddOnError::TooMuchData));
    assert_eq!(top_up(&new, &["data-1gb", "data-1gb"]), too_much);
    assert_eq!(top_up(&new, &["voice-eu"]), Err(PlaceError::AddOns(AddOnError::VoiceTwice("eu".into()))));
    assert_eq!(top_up(&new, &["data-1gb", "voice-far"]), Ok(eur(550)));
    let (_, fifteen) = added("last", add_ons(&["data-1gb", "voice-far"]), &new, &main, &renewable(), at(20));
    assert_eq!(top_up(&fifteen, &["data-1gb"]), too_much);
    assert_eq!(top_up(&fifteen, &["voice-far"]), Err(PlaceError::AddOns(AddOnError::VoiceTwice("far".into()))));
    // Another plan begins to count anew.
    let used_up = told(&told(&fifteen, Report::Attached, at(30)), over(OverReason::UsedUp), at(40));
    let (_, next) = added("renewal", renewal(), &used_up, &main, &renewable(), at(50));
    assert_eq!(top_up(&next, &["data-1gb", "voice-eu"]), Ok(eur(500)));
}

#[test]
fn add_ons_that_others_paid_for_meanwhile_count_as_well() {
    let (main, new) = begun(&renewable(), at(0));
    let order = |seed: &str| change(seed, add_ons(&["voice-eu"]), &new, &main, &renewable(), at(1)).unwrap();
    let (first, second) = (pay(&order("first"), 0, at(2)), pay(&order("second"), 0, at(2)));
    let with = new.add(&first, &renewable(), at(3)).unwrap();
    assert_eq!(with.add(&second, &renewable(), at(4)), Err(Rejected::Closed(Closed::Full)));
}

#[test]
fn add_ons_go_with_the_plan_that_runs_else_with_the_next() {
    let (main, new) = begun(&one_off(), at(0));
    let (_, two) = added("far", more(), &new, &main, &far_away(), at(10));
    assert_eq!(two.plan_for_add_ons(at(10)), Some(0));
    let far_runs = two.report(Report::Attached, at(500), in_japan, at(500)).unwrap();
    assert_eq!(far_runs.plan_for_add_ons(at(500)), Some(1));
    let over = told(&told(&new, Report::Attached, at(500)), usage(5120), at(600));
    assert_eq!(over.plan_for_add_ons(at(600)), None);
    let refused = change("data", add_ons(&["data-1gb"]), &over, &main, &one_off(), at(700));
    assert_eq!(refused, Err(PlaceError::Closed(Closed::NoPlan)));
    // Its time is over although nobody has ended it yet: what comes next takes them, or nothing.
    let late = at(500 + 31 * 86_400);
    assert_eq!(far_runs.plan_for_add_ons(late), Some(0));
    assert_eq!(told(&new, Report::Attached, at(500)).plan_for_add_ons(late), None);
}

#[test]
fn a_subscription_holds_so_many_plans_and_no_more() {
    let (main, mut full) = begun(&one_off(), at(0));
    for index in 1..MAX_OPEN_PLANS {
        full = added(&format!("plan {index}"), more(), &full, &main, &one_off(), at(10)).1;
    }
    assert_eq!(change("more", more(), &full, &main, &one_off(), at(20)), Err(PlaceError::Closed(Closed::Full)));
    assert!(change("data", add_ons(&["data-1gb"]), &full, &main, &one_off(), at(20)).is_ok());
    let less = told(&told(&full, Report::Attached, at(30)), over(OverReason::UsedUp), at(40));
    assert!(change("more", more(), &less, &main, &one_off(), at(50)).is_ok());
}

#[test]
fn a_subscription_holds_no_more_than_can_end_at_once() {
    let (main, new) = begun(&one_off(), at(0));
    let one = added("data", add_ons(&["data-1gb"]), &new, &main, &one_off(), at(10)).1;
    let with = |orders: usize| {
        let mut full = one.clone();
        full.plans[0].extras = vec![one.plans[0].extras[0].clone(); orders - 1];
        change("more", more(), &full, &main, &one_off(), at(20)).map(drop)
    };
    assert_eq!((with(MAX_OPEN_ORDERS - 1), with(MAX_OPEN_ORDERS)), (Ok(()), Err(PlaceError::Closed(Closed::Full))));
}

#[test]
fn the_plans_that_were_over_first_are_forgotten() {
    let (main, mut all) = begun(&one_off(), at(0));
    let mut closed = Vec::new();
    for round in 1..=20 {
        let next = told(&told(&all, Report::Attached, at(round * DAY)), usage(5120), at(round * DAY + 10));
        closed.extend(all.closed_by(&next).into_iter().map(|(num, ..)| num));
        all = added(&format!("plan {round}"), more(), &next, &main, &one_off(), at(round * DAY + 20)).1;
    }
    assert_eq!(all.plans.len(), 13, "12 that are over and one that waits");
    assert_eq!(all.plans[0].order, num("plan 8"));
    assert!(all.plans[12].is_open());
    let told_of: Vec<OrderNum> = std::iter::once(num("main")).chain((1..20).map(|round| num(&format!("plan {round}")))).collect();
    assert_eq!(closed, told_of, "each was told of once, when it was over");
}

#[test]
fn a_plan_that_ran_long_is_told_of_with_its_reason_however_many_were_over_before() {
    let (main, new) = begun(&one_off(), at(0));
    let mut all = told(&new, Report::Attached, at(10));
    for round in 1..=13 {
        all = added(&format!("far {round}"), more(), &all, &main, &far_away(), at(round * 10_000)).1;
        all = all.report(Report::Attached, at(round * 10_000 + 10), in_japan, at(round * 10_000 + 10)).unwrap();
        let place = all.plans.len() - 1;
        all = told(&all, Report::Over { plan: Some(place), why: OverReason::Expired }, at(round * 10_000 + 20));
    }
    let last = told(&all, Report::Over { plan: Some(0), why: OverReason::UsedUp }, at(200_000));
    assert_eq!(all.closed_by(&last), [(num("main"), 0, OverReason::UsedUp)]);
}

#[test]
fn a_subscription_survives_the_way_through_its_stored_form() {
    let (main, new) = begun(&pausing(), at(0));
    let (_, all) = added("data", add_ons(&["data-1gb"]), &told(&new, Report::Session(true), at(500)), &main, &pausing(), at(600));
    let swap = change("swap", esim_swap(), &all, &main, &pausing(), at(700)).unwrap();
    let swapped = all
        .claim(open_change(&swap, ChangeKind::Swap))
        .and_then(|all| all.swapped(&iccid(2), pool(FormFactor::Esim), at(800)))
        .and_then(|all| all.want_service(false, ServiceAsker::Partner, at(900)))
        .and_then(|all| all.service_changed(at(901)))
        .and_then(|all| all.want_service(true, ServiceAsker::Partner, at(902)))
        .and_then(|all| all.claim(open_change(&main, ChangeKind::Refund)))
        .unwrap();
    let over = swapped.end(EndReason::Refunded, at(1000)).unwrap();
    for each in [new, all, swapped, over] {
        let stored = serde_json::to_value(&each).unwrap();
        assert_eq!(serde_json::from_value::<Subscription>(stored).unwrap(), each);
    }
}
