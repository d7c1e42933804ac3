"""Writes docs/benchmarks.md from the results: ratios first, then the details."""

from dataclasses import dataclass
from pathlib import Path

from sidebyside.footage import Video
from sidebyside.measure import Result, Row

# Own wall time over the least that the machine needs.
LIMIT_AIM = 1.15
# A smaller difference counts as equal quality.
SAME_DB = 0.05

INTRO = """\
# Benchmarks

Written by `cargo xtask bench side-by-side`; do not edit by hand. Each job runs with framelift and with
other programs on the same file, in turns, round after round; the first round warms up and does not count.

A **ratio** is another program's wall time over framelift's, so above 1 framelift is faster: the median of
the rounds, and the smallest and largest. The *ratio of CPU* is that of the processor time of all processes.
Ratios are what is claimed. Seconds are the medians *in this run* and mean nothing elsewhere.

- *Memory* is the most resident memory of one process of the tool, *CPU* the user and system time of all.
- *Bytes* are the archive's. framelift's quality is the highest at which its archive is no larger than the
  first program's; Pillow and OpenCV are given the same number, ffmpeg gets `-q:v 2`, and 90 for WebP. The
  row *default quality* is framelift as it comes.
- *PSNR* and *SSIM* compare up to six images of each archive with the pictures of PyAV's full decode. Those
  of luma measure the encoding and forgive a wrong colour matrix; that of RGB is what a viewer sees.
- All programs use their threads. The peers' scripts are in `benches/peers`, their command lines in
  `benches/sidebyside/cases.py` and `commands.py`.
"""


@dataclass(frozen=True)
class Setting:
    """The machine and the programs of the run."""

    processor: str
    cores: int
    versions: dict[str, str]
    rounds: int


def document(results: list[Result], videos: dict[str, Video], sizes: dict[str, int], setting: Setting) -> str:
    parts = [INTRO, machine(setting), files(results, videos, sizes), aims(results), limits(results)]
    parts += [section(result, sizes) for result in results if result.case.peers]
    parts.append(memory(results))
    return "\n".join(part for part in parts if part)


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def machine(setting: Setting) -> str:
    rows = [["processor", f"{setting.processor}, {setting.cores} cores"], *map(list, setting.versions.items()),
            ["rounds", f"{setting.rounds}, and one to warm up"]]
    return "## Run\n\n" + table(["", ""], rows)


def files(results: list[Result], videos: dict[str, Video], sizes: dict[str, int]) -> str:
    used = {result.case.video for result in results}
    rows = []
    for name in (name for name in videos if name in used):
        video = videos[name]
        pixels = f"{video.size[0]}×{video.size[1]}, {video.rate}/s"
        rows.append([name, pixels, f"{video.duration:g} s", f"{number(sizes[name])} bytes", video.what])
    text = "Made from the samples in `e2e/media`: shots with cuts, a moving window, a little grain, AAC sound.\n\n"
    return "## Files\n\n" + text + table(["file", "pictures", "length", "size", "encoded as"], rows)


def aims(results: list[Result]) -> str:
    """Every figure with an aim, and whether it was reached."""
    rows = []
    for result in results:
        for row in result.rows:
            if row.aim is not None and row.ratios:
                rows.append([result.case.name, row.name, f"{row.ratio:.2f}", f"≥ {row.aim:g}",
                             reached(row.ratio >= row.aim)])
                rows += pictures_aim(result, row)
        share = result.case.read_aim
        if share is not None and result.summary:
            read = read_share(result)
            rows.append([result.case.name, "share of the file that is read", f"{read:.1%}", f"< {share:.0%}",
                         reached(read < share)])
        if result.limit:
            over = result.ours.seconds / result.limit.seconds
            rows.append([result.case.name, "the machine's limit", f"{over:.2f}", f"≤ {LIMIT_AIM}",
                         reached(over <= LIMIT_AIM)])
    head = ["job", "against", "figure", "aim", "reached"]
    return "## Aims\n\n" + table(head, rows) if rows else ""


def pictures_aim(result: Result, row: Row) -> list[list[str]]:
    """Equal or better pictures at no more bytes, where both were compared."""
    if not row.pictures:
        return []
    above = {name: result.ours.pictures[name] - value for name, value in row.pictures.items()}
    size = result.ours.archive_bytes / row.archive_bytes
    shown = f"luma {above['psnr_luma']:+.2f} dB, RGB {above['psnr_rgb']:+.2f} dB, {size:.1%} of the bytes"
    as_good = min(above["psnr_luma"], above["psnr_rgb"]) >= -SAME_DB and size <= 1
    return [[result.case.name, f"pictures of {row.name}", shown, "no worse, no more bytes", reached(as_good)]]


def limits(results: list[Result]) -> str:
    rows = []
    for result in results:
        if result.limit:
            limit = result.limit
            rows.append([result.case.name, f"{limit.decoding:.2f}", f"{limit.encoding:.2f}", f"{limit.seconds:.2f}",
                         f"{result.ours.seconds:.2f}", f"{result.ours.seconds / limit.seconds:.2f}"])
    if not rows:
        return ""
    text = ("The least that exact work can take: the CPU time of `ffmpeg -skip_frame … -f null -` (`noref` where\n"
            "pictures are left out) and of libjpeg-turbo for the images, spread over all cores without a gap.\n\n")
    head = ["job", "decoding, CPU s", "encoding, CPU s", "over all cores, s", "framelift, s", "framelift over limit"]
    return "## The machine's limit\n\n" + text + table(head, rows)


def section(result: Result, sizes: dict[str, int]) -> str:
    case = result.case
    text = f"### {case.name}\n\n"
    if result.ours.failed:
        return f"{text}Not measured: {result.ours.failed}\n"
    plan = result.summary["plan"]
    text += f"framelift: quality {result.quality}, " if case.format != "png" else "framelift: "
    text += f"strategy {plan['strategy']} ({plan['reason']}); read {read_share(result):.1%} of the file.\n\n"
    head = ["program", "ratio", "from – to", "aim", "ratio of CPU", "seconds in this run", "CPU", "memory", "images",
            "bytes", "PSNR luma", "SSIM luma", "PSNR RGB"]
    text += table(head, [line(row, result.ours) for row in result.rows])
    return text + "".join(f"\n{row.name} was not measured: {row.failed}\n" for row in result.rows if row.failed)


def line(row: Row, ours: Row) -> list[str]:
    if row.failed:
        return [row.name, *["–"] * 12]
    is_ours = row is ours
    spread = "" if is_ours else f"{min(row.ratios):.2f} – {max(row.ratios):.2f}"
    pictures = [f"{row.pictures[name]:{form}}" if name in row.pictures else "" for name, form in
                (("psnr_luma", ".2f"), ("ssim_luma", ".4f"), ("psnr_rgb", ".2f"))]
    return [
        row.name, "1" if is_ours else f"**{row.ratio:.2f}**", spread, "" if row.aim is None else f"≥ {row.aim:g}",
        "1" if is_ours else f"{row.cpu_seconds / ours.cpu_seconds:.2f}",
        f"{row.seconds:.2f}", f"{row.cpu_seconds:.2f}", megabytes(row.peak_bytes), number(row.images),
        number(row.archive_bytes), *pictures,
    ]


def memory(results: list[Result]) -> str:
    rows = []
    for result in results:
        if result.case.memory_aim is not None and result.ours.costs:
            peak, most = result.ours.peak_bytes, result.case.memory_aim
            rows.append([result.case.name, number(result.ours.images), megabytes(peak), f"< {megabytes(most)}",
                         reached(peak < most)])
    head = ["job", "images", "most memory", "aim", "reached"]
    return "## Memory of framelift\n\n" + table(head, rows) if rows else ""


def read_share(result: Result) -> float:
    return result.summary["bytes_read"] / result.summary["source"]["size_bytes"]


def reached(yes: bool) -> str:
    return "yes" if yes else "**no**"


def number(value: int) -> str:
    return f"{value:,}"


def megabytes(value: int) -> str:
    return f"{value / 1e6:.0f} MB"


def terminal(result: Result) -> str:
    """A case's result for the terminal."""
    if result.ours.failed:
        return f"{result.case.name}\n  not measured: {result.ours.failed}"
    lines = [f"{result.case.name} (quality {result.quality}, {result.summary['plan']['strategy']})"]
    for row in result.rows:
        if row.failed:
            lines.append(f"  {row.name:<42} not measured: {row.failed}")
            continue
        ratio = f"ratio {row.ratio:6.2f}" if row.ratios and row is not result.ours else " " * 12
        aim = "" if row.aim is None else f" (aim {row.aim:g})"
        lines.append(f"  {row.name:<42} {ratio}{aim:<11} {row.seconds:8.3f} s {megabytes(row.peak_bytes):>8} "
                     f"{row.images:>6} images {row.archive_bytes:>13,} bytes "
                     + " ".join(f"{name} {value:.4g}" for name, value in row.pictures.items()))
    if result.limit:
        lines.append(f"  {'over the machine’s limit':<42} {result.ours.seconds / result.limit.seconds:.2f}")
    return "\n".join(lines)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(text)
    part.rename(path)
