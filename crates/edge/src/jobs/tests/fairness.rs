//! How long one user waits behind another one.

use std::collections::VecDeque;

use super::*;

/// Seconds of each job, less than a lease has.
const JOB_S: i64 = 50;

/// A fleet of workers that take messages in their order; the seconds that a user's first video waits for a
/// worker, when it comes while another user has two hundred.
fn wait_behind_two_hundred(workers: usize, arrival_s: i64) -> i64 {
    let fixture = Fixture::new();
    let jobs = fixture.jobs();
    for _ in 0..fixture.limits.max_open_per_user {
        fixture.uploaded();
    }
    let (mut queue, mut busy) = (VecDeque::new(), Vec::<(VideoId, i64)>::new());
    let mut arrived = None;
    for second in 0..arrival_s + 20 * JOB_S {
        fixture.advance_s(1);
        if second == arrival_s {
            let user = UserId::new(1, [2; 10]);
            let video = block_on(jobs.create(user, new_video(Options::default()), None)).unwrap();
            block_on(jobs.uploaded(user, video.id)).unwrap();
            arrived = Some(video.id);
        }
        let (done, still): (Vec<_>, Vec<_>) = busy.into_iter().partition(|(_, until)| *until <= second);
        busy = still;
        for (id, _) in done {
            block_on(jobs.complete(id, 1, worker(), extraction())).unwrap();
            block_on(jobs.notified(id, 0, false)).unwrap();
        }
        queue.extend(fixture.queue.take().into_iter().map(|(message, _)| message.video_id));
        // One worker starts a second, so that their jobs end at different times.
        if busy.len() < workers
            && let Some(id) = queue.pop_front()
        {
            block_on(jobs.claim(id, worker(), None)).unwrap();
            if Some(id) == arrived {
                return second - arrival_s;
            }
            busy.push((id, second + JOB_S));
        }
    }
    panic!("the other user's video was never begun")
}

#[test]
fn two_hundred_videos_of_one_user_delay_another_one_by_one_job_at_most() {
    let in_flight = Limits::default().max_in_flight_per_user as usize;
    for arrival_s in [3, 75] {
        let wait_s = wait_behind_two_hundred(in_flight, arrival_s);
        assert!(wait_s <= JOB_S, "{wait_s} s after {arrival_s} s");
    }
    // With a worker to spare, it waits for those before it to be begun, and for none to end.
    assert!(wait_behind_two_hundred(in_flight + 1, 75) <= 5);
}

#[test]
fn with_fewer_workers_the_delay_grows_in_proportion_and_no_further() {
    let in_flight = Limits::default().max_in_flight_per_user as usize;
    for workers in 1..in_flight {
        let jobs = (in_flight + 1).div_ceil(workers) - 1;
        // Every start takes a second here.
        let bound_s = jobs as i64 * JOB_S + in_flight as i64;
        for arrival_s in [3, 75, 500] {
            let wait_s = wait_behind_two_hundred(workers, arrival_s);
            assert!(wait_s <= bound_s, "{workers} workers: {wait_s} s after {arrival_s} s, not {bound_s}");
        }
    }
    // It does wait: two workers are not enough for the promise of one job.
    assert!(wait_behind_two_hundred(2, 3) > JOB_S);
}
