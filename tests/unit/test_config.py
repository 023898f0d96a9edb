"""Configurations: what is read, what is refused, and that everything wrong is said at once."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from web4mlx.config import RunConfig, check_paths, find_config, load_config, write_config
from web4mlx.config.load import why_not_writable
from web4mlx.config.schema import (
    PROJECTIONS,
    DataConfig,
    ExportConfig,
    HardwareConfig,
    LoraConfig,
    ModelConfig,
    TrainingConfig,
)
from web4mlx.errors import ExitCode, MissingPrerequisite, Problems, UsageError

SMALL = '[data]\ntrain = ["a.jsonl"]\neval = "e.jsonl"\n'


def written(folder: Path, text: str, name: str = "run.toml") -> Path:
    file = folder / name
    file.write_text(text, "utf-8")
    return file


def problems_of(file: Path) -> list[str]:
    with pytest.raises(Problems) as caught:
        load_config(file)
    assert str(file) in caught.value.message
    assert caught.value.exit_code == ExitCode.USAGE
    return caught.value.problems


def test_five_mistakes_are_reported_at_once_with_key_value_and_advice(tmp_path: Path) -> None:
    text = (
        'nmae = "x"\n' + SMALL + "max_seq_length = 8\n"
        '[training]\nepochs = 0\nlerning_rate = 1e-4\n[lora]\ntarget_modules = ["q_proj", "z_proj"]\n'
    )
    problems = problems_of(written(tmp_path, text))
    assert len(problems) == 5
    report = "\n".join(problems)
    assert "nmae = 'x': unknown key; did you mean 'name'?" in report
    assert "training.lerning_rate = 0.0001: unknown key; did you mean 'learning_rate'?" in report
    assert "data.max_seq_length = 8: input should be greater than or equal to 32" in report
    assert "training.epochs = 0: input should be greater than 0" in report
    assert "lora.target_modules.1 = 'z_proj': input should be 'q_proj'" in report


def test_an_unknown_key_without_a_near_one_lists_the_known_ones(tmp_path: Path) -> None:
    (problem,) = problems_of(written(tmp_path, SMALL + "[hardware]\nxyzzy = 1\n"))
    assert problem == (
        "hardware.xyzzy = 1: unknown key; known keys: device, dtype, memory_fraction, memory_limit_gb"
    )


def test_missing_tables_and_keys_are_named(tmp_path: Path) -> None:
    assert problems_of(written(tmp_path, "")) == ["data: required, but missing"]
    assert problems_of(written(tmp_path, "[data]")) == [
        "data.train: required, but missing",
        "data.eval: required, but missing",
    ]


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("[training]\nlearning_rate = inf", "training.learning_rate"),
        ("[lora]\nalpha = nan", "lora.alpha"),
        ("[training]\nfinal_loss = [1.0, 0.5]", "training.final_loss"),
        ("[training]\nbatch_size = 1.5", "training.batch_size"),
        ('[export]\ntype = "Q3_K"', "export.type"),
        ('[lora]\nlayers = "some"', "lora.layers"),
        ("[training]\nepochs = 'many'", "training.epochs"),
        ("training = 5", "training"),
    ],
)
def test_a_value_of_the_wrong_type_or_range_is_refused(tmp_path: Path, line: str, wrong: str) -> None:
    text = f"{line}\n{SMALL}" if not line.startswith("[") else f"{SMALL}{line}\n"
    assert all(problem.startswith(wrong) for problem in problems_of(written(tmp_path, text)))


def test_a_name_that_would_leave_the_outputs_folder_is_refused(tmp_path: Path) -> None:
    (problem,) = problems_of(written(tmp_path, 'name = "../elsewhere"\n' + SMALL))
    assert problem.startswith("name = '../elsewhere'")


def test_toml_and_json_of_the_same_keys_are_the_same_configuration(tmp_path: Path) -> None:
    tables = {"name": "n", "data": {"train": ["a.jsonl"], "eval": "e.jsonl"}, "training": {"epochs": 3}}
    as_json = load_config(written(tmp_path, json.dumps(tables), "run.json"))
    as_toml = load_config(written(tmp_path, 'name = "n"\n' + SMALL + "[training]\nepochs = 3\n"))
    assert as_json == as_toml
    assert as_toml.training.epochs == 3


def test_bad_toml_names_file_and_line(tmp_path: Path) -> None:
    file = written(tmp_path, 'name = "x"\n\n[data\n')
    with pytest.raises(UsageError, match=r"run\.toml: not valid TOML: .*line 3"):
        load_config(file)


def test_bad_json_names_file_line_and_column(tmp_path: Path) -> None:
    file = written(tmp_path, '{\n  "name": }', "run.json")
    with pytest.raises(UsageError, match=r"run\.json:2:11: not valid JSON"):
        load_config(file)


@pytest.mark.parametrize("text", ["[]", "3", '"x"'])
def test_json_that_is_no_table_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match="expected a table of settings"):
        load_config(written(tmp_path, text, "run.json"))


def test_json_nested_without_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nested too deeply"):
        load_config(written(tmp_path, "[" * 100_000, "run.json"))


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="not a UTF-8 text file"):
        load_config(file)


def test_a_folder_is_no_configuration(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        load_config(tmp_path)


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_bytes(b"\xef\xbb\xbf" + SMALL.encode())
    assert load_config(file).data.eval == Path("e.jsonl")


def test_a_file_that_is_not_there_is_a_missing_prerequisite(tmp_path: Path) -> None:
    with pytest.raises(MissingPrerequisite, match="no such configuration file"):
        load_config(tmp_path / "none.toml")


@pytest.mark.parametrize("train", ["e.jsonl", "./e.jsonl", "sub/../e.jsonl"])
def test_evaluation_rows_listed_for_training_are_refused(tmp_path: Path, train: str) -> None:
    file = written(tmp_path, f'[data]\ntrain = ["a.jsonl", "{train}"]\neval = "e.jsonl"\n')
    (problem,) = problems_of(file)
    assert "must be held out" in problem


def test_overrides_win_over_the_file_and_are_checked_like_it(tmp_path: Path) -> None:
    file = written(tmp_path, SMALL + "[training]\nepochs = 3\n")
    assert load_config(file, {"training.epochs": 1, "export.type": "Q8_0"}).export.type == "Q8_0"
    with pytest.raises(Problems, match=r"training\.epochs = -1"):
        load_config(file, {"training.epochs": -1})


def test_an_override_below_a_plain_value_leaves_that_value_to_be_reported(tmp_path: Path) -> None:
    with pytest.raises(Problems, match="training = 5"):
        load_config(written(tmp_path, "training = 5\n" + SMALL), {"training.epochs": 1})


def test_shipped_configurations_are_found_by_name_and_by_their_path(in_tmp: Path) -> None:
    by_name = find_config("demo")
    assert by_name == find_config("configs/demo.toml") == find_config("demo.toml")
    assert load_config(by_name).name == "web4_demo"


@pytest.mark.parametrize("name", ["elsewhere/demo.toml", "demo.json", "dem"])
def test_a_mistyped_path_never_stands_for_a_shipped_configuration(in_tmp: Path, name: str) -> None:
    with pytest.raises(MissingPrerequisite) as caught:
        find_config(name)
    assert caught.value.hint == "Give a file, or one of: balanced_training, demo."


def test_a_file_here_wins_over_a_shipped_name(in_tmp: Path) -> None:
    written(in_tmp, SMALL, "demo.toml")
    assert load_config(find_config("demo.toml")).name == "web4_balanced"


def test_the_real_job_has_the_plans_numbers() -> None:
    from web4mlx.train.sampler import Sampler

    config = load_config(find_config("balanced_training"))
    counts = config.data.expected_counts
    rows = sum(count for stem, count in counts.items() if stem != "eval")
    training = config.training
    assert (rows, counts["eval"]) == (37_000, 2_000)
    assert {file.stem for file in config.data.train} == set(counts) - {"eval"}
    assert training.samples_per_step == 12
    assert Sampler(rows, training.samples_per_step, training.epochs, training.seed).total_steps == 6166
    assert (training.learning_rate, training.warmup_steps, training.weight_decay) == (2e-4, 100, 0.01)
    assert (training.logging_steps, training.save_steps, training.eval_steps) == (50, 500, 500)
    assert (training.save_total_limit, training.max_grad_norm, training.epochs) == (3, 1.0, 2)
    assert (config.lora.rank, config.lora.alpha, config.lora.dropout) == (16, 32, 0.05)
    assert (config.lora.scale, config.lora.target_modules) == (2, PROJECTIONS)
    assert (config.data.max_seq_length, config.hardware.memory_fraction) == (2048, 0.85)


def test_what_the_real_job_states_is_also_the_default() -> None:
    config = load_config(find_config("balanced_training"))
    asked = config.training.sample_prompts  # questions of this job's own
    assert config.training == TrainingConfig(sample_prompts=asked)
    assert config.lora == LoraConfig()
    assert config.hardware == HardwareConfig()
    assert config.export == ExportConfig()


def test_missing_files_and_unwritable_folders_are_reported_together(in_tmp: Path) -> None:
    written(in_tmp, "x", "file")
    text = 'outputs = "file/outputs"\nmodelfile = "None"\n' + SMALL + '[model]\nfolder = "file"\n'
    path = written(in_tmp, text)
    config = load_config(path)
    with pytest.raises(Problems) as caught:
        check_paths(config, path)
    keys = [problem.split(" = ")[0] for problem in caught.value.problems]
    assert keys == ["modelfile", "data.train", "data.eval", "outputs", "model.folder"]
    with pytest.raises(Problems) as caught:
        check_paths(config, path, need_data=False)
    assert len(caught.value.problems) == 3


def test_a_folder_that_can_be_created_is_writable(tmp_path: Path) -> None:
    assert why_not_writable(tmp_path / "a" / "b") == ""


text = st.text(st.characters(codec="utf-8"), max_size=12)
paths = st.builds(Path, text.filter(lambda t: t not in ("", ".") and "\0" not in t))
fractions = st.floats(0.001, 0.999)
configs = st.builds(
    RunConfig,
    name=st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,9}", fullmatch=True),
    outputs=paths,
    model=st.builds(ModelConfig, base=text, folder=paths, revision=st.none() | text),
    data=st.builds(
        DataConfig,
        train=st.lists(paths, min_size=1, max_size=3).map(tuple),
        eval=st.just(Path("held-out.jsonl")),
        expected_counts=st.dictionaries(text, st.integers(1, 10**6), max_size=3),
        expected_total_tokens=st.none() | st.tuples(st.integers(0, 5), st.integers(6, 10**9)),
        sample_scale=st.sampled_from([None, "demo", "full"]),
        sample_seed=st.integers(-(2**63), 2**63),
    ),
    training=st.builds(
        TrainingConfig,
        epochs=st.floats(1e-6, 100),
        learning_rate=fractions,
        max_grad_norm=st.floats(1e-9, 1e30),
    ),
    lora=st.builds(
        LoraConfig,
        layers=st.just("all") | st.integers(1, 99),
        target_modules=st.lists(st.sampled_from(PROJECTIONS), min_size=1).map(tuple),
    ),
)


@settings(max_examples=50, deadline=None)
@given(config=configs)
def test_a_written_configuration_reads_back_equal(
    config: RunConfig, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("written") / "config.toml"
    write_config(config, file)
    assert load_config(file) == config
