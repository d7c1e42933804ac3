//! The strategies themselves: that forcing one is no empty word, and the selection of shots.

use framelift_contract::manifest::Strategy;
use framelift_domain::{Format, Options, Select};

use crate::clips::Clips;
use crate::extracted::Extracted;
use crate::reference::Reference;

const X264: &str = "-c:v libx264 -preset veryfast -crf 18 -bf 3";

/// Else every other test here would compare the same way with itself.
#[test]
fn a_forced_strategy_is_taken() {
    let clips = Clips::new();
    let clip = clips.encode("a.mp4", 150, &format!("{X264} -g 15"));
    let far_apart = Select::At(vec!["0.2s".parse().unwrap(), "5.1s".parse().unwrap()]);
    for (strategy, select) in [
        (Strategy::Sequential, far_apart.clone()),
        (Strategy::Seek, far_apart.clone()),
        (Strategy::Parallel, far_apart),
        (Strategy::Sequential, Select::Keyframes),
        (Strategy::Keyframes, Select::Keyframes),
        (Strategy::Parallel, Select::All),
    ] {
        let options = Options { select, ..Options::default() };
        let extracted = Extracted::from(&clip.path, &options, Some(strategy)).unwrap();
        assert_eq!(extracted.manifest.plan.strategy, strategy, "{:?}", options.select);
    }
}

/// Where the engine does shots: the first frame of each.
#[test]
fn shots_begin_where_the_picture_changes() {
    let clips = Clips::new();
    let darker = "-vf lutyuv=y=val/4:u=128:v=128:enable='between(n,30,69)'".replace('\'', "");
    let darker = darker.replace("(n,30,69)", "(n\\,30\\,69)");
    let clip = clips.encode("a.mp4", 100, &format!("{darker} {X264} -g 24"));
    let select = Select::Scenes { threshold: 0.2, max: 10 };
    let options = Options { select, format: Format::Png, ..Options::default() };
    let reference = Reference::of(&clip.path, &[]);
    let right = [0, 30, 70].map(|index: usize| reference.video.frames[index].pts);
    let extracted = Extracted::from(&clip.path, &options, None).unwrap();
    let given: Vec<_> = extracted.manifest.frames.iter().map(|frame| frame.pts).collect();
    assert_eq!(given, right);
}
