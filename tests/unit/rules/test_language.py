"""Language: Chinese by script, the rest by the model, and no confident answer on a handful of letters."""

import pytest

from services.rules.language import UNKNOWN, Predict, detect_language, load_model
from services.rules.page import Page


@pytest.fixture(scope="module")
def predict() -> Predict:
    return load_model()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("今天天气很好。", "zh"),
        ("臺灣的漢字與簡體字不同，書寫的人都知道。", "zh"),
        ("子曰學而時習之不亦說乎", "zh"),
        ("使用 kubectl apply -f deployment.yaml 命令部署应用，然后用 kubectl get pods 查看状态。", "zh"),
        ("The water rose in the night and by morning the road was gone.", "en"),
        ("THE WATER ROSE IN THE NIGHT AND BY MORNING THE ROAD WAS GONE.", "en"),
        ("How to sort a list in Python", "en"),
        ("L'eau est montée pendant la nuit et au matin la route avait disparu sous la rivière.", "fr"),
        ("夜のうちに水かさが増して、朝には道がなくなっていました。", "ja"),
        ("밤사이 물이 불어나서 아침에는 길이 사라졌습니다. 사람들은 집으로 돌아갔다.", "ko"),
        ("Ночью вода поднялась, и к утру нижняя дорога совсем исчезла.", "ru"),
        ("OK 42", UNKNOWN),
        ("3.1415926 + 2.71828", UNKNOWN),
        ("", UNKNOWN),
    ],
)
def test_names_the_language(text: str, wanted: str, predict: Predict) -> None:
    language = detect_language(Page(text), predict, ("zh", "en"), 0.65)
    assert language.code == wanted
    assert 0 <= language.confidence <= 1.001
    assert language.confidence > 0 or wanted == UNKNOWN


def test_an_unsure_guess_gives_way_to_an_expected_language() -> None:
    """Half of the short titles that a model takes for another language are in the ones we collect."""

    def unsure(text: str) -> list[tuple[str, float]]:
        return [("ca", 0.4), ("en", 0.3)]

    page = Page("Linq query against an entity with several keys and one more")
    assert detect_language(page, unsure, ("zh", "en"), 0.65).code == "en"
    assert detect_language(page, unsure, ("zh",), 0.65).code == UNKNOWN
    assert detect_language(page, unsure, ("zh", "en"), 0.35).code == "ca"


def test_english_is_told_by_its_words() -> None:
    """All of a text counts, whatever the model makes of its head, middle and end."""

    def wrong(text: str) -> list[tuple[str, float]]:
        return [("de", 0.99)]

    names = "\n".join(f"Müller Straße {i} Bahnhof" for i in range(9))
    body = "The water rose in the night, and by morning the lower road was gone under the river.\n" * 9
    assert detect_language(Page(f"{names}\n{body}{names}"), wrong, ("en",), 0.65).code == "en"
    dutch = "Het water is in de nacht gestegen en de weg naar het dorp was verdwenen. " * 9
    assert detect_language(Page(dutch), wrong, ("en",), 0.65).code == "de"


def test_a_few_latin_words_are_no_other_language() -> None:
    def sure(text: str) -> list[tuple[str, float]]:
        return [("eu", 0.9)]

    assert detect_language(Page("Just nw i came to hme da"), sure, ("en",), 0.65).code == UNKNOWN
    assert detect_language(Page("Ночью вода поднялась"), sure, ("en",), 0.65).code == "eu"


def test_reads_more_than_the_head(predict: Predict) -> None:
    """Pages begin with a menu in another language."""
    body = "The water rose in the night, and by morning the lower road was gone under the river. " * 40
    assert (
        detect_language(Page("Startseite Anmelden Warenkorb Über uns\n" + body), predict, ("en",), 0.65).code
        == "en"
    )


def test_rulers_say_nothing_of_the_language() -> None:
    """A title between rows of hash signs is German to the model, of a package whose readme is a list."""
    seen: list[str] = []

    def kept(text: str) -> list[tuple[str, float]]:
        seen.append(text)
        return [("en", 0.9)]

    names = "Lamps, gates, mills, wells, boats, nets, sails, roads, bridges, gauges, doors, pumps. " * 9
    ruler = "#" * 300
    detect_language(Page(f"{ruler}\nMarn tools\n{ruler}\n{names}\n{'- ' * 200}"), kept, ("en",), 0.65)
    assert "Marn tools Lamps" in " ".join(seen[0].split())
    assert "##" not in seen[0]
    assert "- -" not in seen[0]


def test_never_downloads(monkeypatch: pytest.MonkeyPatch) -> None:
    """A unit that fetches its model at run time fails in a cluster without the internet."""
    import socket

    def refuse(*_: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert load_model()("a plain English sentence about the weather")[0][0] == "en"
