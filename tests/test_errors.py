"""What is told of a mistake holds no password, whichever way it got there."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import PipelineError, damage, unfit, without_credentials
from pipeline.studies.storage import open_database
from pipeline.tracking.run_store import RunStore

CANARY = "c4n4ry-s3cret"
SAFE = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="@'\"/?&"), min_size=1, max_size=20
)


@given(user=SAFE, password=SAFE, before=st.text(max_size=20), after=st.text(max_size=20))
def test_an_address_in_any_text_loses_user_and_password(user: str, password: str, before: str, after: str) -> None:
    text = without_credentials(f"{before} postgresql://{user}:{password}@host:5432/db {after}")
    assert "postgresql://***@host:5432/db" in text
    assert f"{user}:{password}" not in text.replace(before, "").replace(after, "")


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("https://host/path?password=secret&x=1", "https://host/path?password=***&x=1"),
        ("https://token@host/path", "https://***@host/path"),
        ("http://host/?access_token=one&sig=two&page=3", "http://host/?access_token=***&sig=***&page=3"),
        ("sqlite:////home/me@work/mlflow.db", "sqlite:////home/me@work/mlflow.db"),
        ("nothing to hide: a@b, c:d", "nothing to hide: a@b, c:d"),
    ],
)
def test_credentials_have_many_forms(told: str, shown: str) -> None:
    assert without_credentials(told) == shown
    assert str(PipelineError(told)) == shown


@pytest.mark.parametrize("name", ["MNIST_MIRROR", "https_proxy", "OPTUNA_STORAGE", "MLFLOW_TRACKING_URI"])
def test_a_password_of_the_environment_is_hidden_wherever_it_appears(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "https://me:c4n4ry%2Fs@host/")
    assert without_credentials("no user c4n4ry/s, or c4n4ry%2Fs") == "no user ***, or ***"


def test_a_setting_that_is_named_like_a_secret_hides_no_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUIRE_TOKEN", "true")
    monkeypatch.setenv("CI_JOB_TOKEN", "c4n4ry")
    assert without_credentials("not true: c4n4ry") == "not true: ***"


def test_stores_that_do_not_open_say_nothing_of_their_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    for address in (f"postgresql://me:{CANARY}@127.0.0.1:9/db", f"mysql+nothing://me:{CANARY}@127.0.0.1:9/db"):
        with pytest.raises(PipelineError) as caught:
            open_database(address)
        assert CANARY not in str(caught.value)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:{CANARY}@127.0.0.1:9")
    with pytest.raises(PipelineError) as caught:
        RunStore("digits")
    assert CANARY not in str(caught.value)
    assert "http://***@127.0.0.1:9" in str(caught.value)


def test_whatever_a_decoder_raises_is_one_sentence() -> None:
    with (
        pytest.raises(PipelineError, match=r"^a: is damaged \(one two\); make it again$"),
        damage(Path("a"), "is damaged", "; make it again"),
    ):
        raise ZeroDivisionError("one\n two")
    with pytest.raises(PipelineError, match="a: mine"), damage(Path("a"), "is damaged"):
        raise unfit(Path("a"), "mine")


@pytest.mark.parametrize("error", [MemoryError(), FileNotFoundError(2, "No such file", "a")])
def test_what_is_no_damage_stays_what_it_is(error: Exception) -> None:
    with pytest.raises(type(error)), damage(Path("a"), "is damaged"):
        raise error


def test_a_long_name_in_a_file_makes_no_long_message() -> None:
    told = str(unfit(Path("a"), f"column {'x' * 5000} is empty: every row must say it"))
    assert len(told) < 1010
    assert told.startswith("a: column xxx")
    assert told.endswith("xxx is empty: every row must say it")
