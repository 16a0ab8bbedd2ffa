from facesim.evaluation.provenance import PluginProvenance, Provenance


def test_a_refusal_names_every_setting_that_differs_and_no_other() -> None:
    before = Provenance(
        preprocessing='{"size":[8,8],"crop":null}', score='{"margin":1.0}', checkpoint="ab"
    )
    after = Provenance(
        preprocessing='{"size":[8,8],"crop":[1,1,6,6]}', score='{"margin":2.0}', checkpoint="ab"
    )
    assert before.changes(after) == {
        "preprocessing.crop": "null -> [1, 1, 6, 6]",
        "loss.margin": "1.0 -> 2.0",
    }


BEFORE = Provenance(preprocessing="{}", score='{"name":"mine"}', checkpoint="ab")


def plugin(code: str | None, version: str = "1.0") -> PluginProvenance:
    return PluginProvenance(
        node={"name": "mine"}, code=code, distribution={"theirs": version}, packages={}
    )


def made(code: str | None, version: str = "1.0") -> Provenance:
    return BEFORE.model_copy(update={"plugins": {"loss": plugin(code, version)}})


def test_what_is_recorded_on_one_side_only_is_no_difference() -> None:
    assert BEFORE.changes(made("12")) == {}
    (note,) = BEFORE.notes(made("12"))
    assert "did not record the code" in note


def test_a_new_version_with_the_same_code_is_a_note_and_another_code_a_difference() -> None:
    before = made("12")
    assert before.changes(made("12", "1.1")) == {}
    (note,) = before.notes(made("12", "1.1"))
    assert note.startswith("theirs 1.0 -> 1.1 since the thresholds were chosen")
    assert before.changes(made("34")) == {"code of the loss 'mine'": "12 -> 34"}
    assert before.notes(before) == ()


def test_code_without_a_source_file_is_a_note() -> None:
    assert made("12").changes(made(None)) == {}
    (note,) = made("12").notes(made(None))
    assert "the loss 'mine' has no source file" in note
