"""Sentences put together from parts, for what the data sets hardly have: plain reports of a day, negation, mixed feelings.

Nobody said them; they teach the text model that "not" turns a feeling round, that "but" joins two, and that most of a day is
nothing special. The sentences of ``emotion.training.robustness`` are none of them.
"""

from collections.abc import Iterator
from itertools import product

import numpy as np

from emotion.labels import GOEMOTIONS
from emotion.training.datasets import Example

PLAIN, NEGATED, MIXED = 3000, 1500, 2500  # drawn of each kind
SEED = 0

WHO = "I|we|she|he|they|my brother|my neighbour|our teacher|Anna|the two of us".split("|")
DID = (
    "answered some emails|bought bread|cleaned the kitchen|walked the dog|paid the phone bill|called the dentist|"
    "read a few pages|"
    "cooked rice|went to the office|took the train to town|waited for the tram|had a coffee|watered the plants|ironed two shirts|"
    "listened to the news|parked behind the house|wrote a shopping list|changed the sheets|had a sandwich|went through the mail|"
    "filled in a form|got up at seven|went to bed at eleven|took a shower|had toast for breakfast|drove to the supermarket|"
    "sat in two meetings|picked up a parcel|vacuumed the floor|set the table|charged the phone|looked at the calendar|"
    "worked on the report|folded the towels|took out the rubbish|went for a short walk|studied for an hour|fixed the shelf|"
    "made a cup of tea|checked the weather|returned a library book|was at home all day|stayed in the office until five"
).split("|")
WHEN = (
    "today|this morning|in the afternoon|after work|yesterday|on Monday|last night|before lunch|as usual|like every day|at noon|"
    "then|around six|in between|later"
).split("|")
FACTS = (
    "the shop opens at nine|the train leaves from platform four|the printer is on the second floor|it is half past three|"
    "the keys are on the table|the lecture takes an hour|we live on the third floor|the bus stops at the corner|it is Tuesday|"
    "the form has two pages|lunch is at one|the next appointment is in May|the car is in the garage|"
    "there are six chairs in the room|"
    "the weather is the same as yesterday|the office is closed on Sundays|the course has twelve parts|my desk is by the window"
).split("|")
ORDINARY = (
    "it was a normal day|just another day|nothing much happened|the day was okay|everything was as usual|so so|"
    "it was fine I guess|"
    "an ordinary week|not much to tell|the usual things|a day like any other|I am doing okay|it was alright|neither good nor bad|"
    "same as always|there is nothing new|we did the usual|a quiet day|it went as planned|business as usual"
).split("|")

ABOUT = (
    "||about the news|about the result|about it|with the answer|about my new job|about the trip|with how it went|about this"
).split("|")
GLAD = "happy|glad|pleased|satisfied|excited|thrilled|proud|comfortable|impressed|relaxed|content|optimistic".split("|")
DOWN = "sad|angry|upset|worried|afraid|annoyed|disappointed|jealous|nervous|mad|ashamed|bored".split("|")
GLADDER = "prouder|better|more pleased|more grateful|more excited|more delighted|more relieved|more thrilled|luckier".split("|")
WORSE = "worse|sadder|angrier|more disappointed|more worried|more ashamed|more annoyed|lonelier|more upset".split("|")
NOT = (
    "I am not|I'm not|I am not at all|I'm not really|we are not|she is not|he isn't|they aren't|I was not|I wasn't|nobody is"
).split("|")
MILD = (
    "it wasn't too bad|not so bad actually|the film was not terrible|can't complain|no complaints|it could be worse|not half bad|"
    "that is not a bad idea|the food wasn't bad|it was not as bad as I thought|I don't mind it|you did not do badly"
).split("|")

GOOD = {
    "joy": "I got the job|I passed the exam|we won the match|the music was lovely|the party was fun|I feel wonderful|"
    "it was a beautiful day|"
    "my sister had her baby|I enjoy the work|the view was amazing|my birthday was great",
    "love": "I love my flat|I adore my grandchildren|I love the city|I am fond of my colleagues|I love the summer here",
    "gratitude": "I am thankful for the help|the team is wonderful|everybody was kind to me|they welcomed us warmly",
    "pride": "my son makes me proud|I am proud of what we built|I finally finished it",
    "excitement": "I am excited about the move|I look forward to the trip|I can't wait to start",
    "admiration": "the staff was excellent|the book is brilliant|the actors were fantastic",
}
BAD = {
    "sadness": "I miss my friends|I feel lonely at night|I had to say goodbye|my dog is ill|"
    "I cried on the way home|my grandmother is gone",
    "anger": "the rent is far too high|the waiter was rude|my boss keeps shouting at me|they never listen|"
    "the neighbours make noise all night",
    "annoyance": "the traffic drives me mad|the queue was endless|the paperwork is a pain|the train was late again",
    "fear": "I am worried about the money|I am afraid of what comes next|the doctor's call scared me",
    "disappointment": "the ending was a let-down|I expected more|we lost in the end|the room was a disappointment",
    "disgust": "the kitchen was filthy|the soup tasted disgusting|the smell made me sick",
}
BUT = "but|and yet|although|even though|on the other hand|and at the same time|still".split("|")

NEITHER, MILDLY_GOOD, UNWELL, BADLY = 3.0, 3.6, 1.75, 1.2  # rated valence, 1 to 5


def examples() -> list[Example]:
    """The sentences, with the emotions that they hold or how pleasant they are; never in what is held out."""
    rng = np.random.default_rng(SEED)
    made = []
    for count, sentences in ((PLAIN, list(_plain())), (NEGATED, list(_negated())), (MIXED, list(_mixed()))):
        made += [sentences[i] for i in rng.permutation(len(sentences))[:count]]
    return [
        Example(f"phrase-{number}", text, -1, "phrases", valence=valence, emotions=tuple(map(GOEMOTIONS.index, names)))
        for number, (text, names, valence) in enumerate(made)
    ]


Sentence = tuple[str, tuple[str, ...], float | None]


def _plain() -> Iterator[Sentence]:
    for who, did, when in product(WHO, DID, WHEN):
        yield f"{who} {did} {when}.", ("neutral",), None
        yield f"{when} {who} {did}", ("neutral",), None
    for first, second, when in product(DID, DID[::3], WHEN[::2]):
        if first != second:
            yield f"{when} I {first} and {second}", ("neutral",), None
    repeated = [*FACTS, *ORDINARY] * 60  # a tenth of what is drawn
    for i, text in enumerate(repeated):
        yield (text if i % 2 else f"{text} {WHEN[i % len(WHEN)]}"), ("neutral",), None


def _negated() -> Iterator[Sentence]:
    for no, glad, about in product(NOT, GLAD, ABOUT):
        yield f"{no} {glad} {about}".strip(), (), UNWELL
    for no, down, about in product(NOT, DOWN, ABOUT):
        yield f"{no} {down} {about}".strip(), (), NEITHER
    for who, more in product(("I", "we", "she", "they", "things", "it"), GLADDER):
        yield f"{who} couldn't be {more}", ("joy",), None
        yield f"{who} could not have been {more}", ("joy",), None
        yield f"never been {more}", ("joy",), None
    for who, more in product(("I", "we", "she", "they", "things", "it"), WORSE):
        yield f"{who} couldn't be {more}", (), BADLY
        yield f"{who} could not have been {more}", (), BADLY
    for glad, about in product(GLAD, ABOUT):
        yield f"I have never been so {glad} {about}".strip(), ("joy",), None
    for down, about in product(DOWN, ABOUT):
        yield f"I have never been so {down} {about}".strip(), (), BADLY
    for text, when in product(MILD, WHEN):
        yield text, (), MILDLY_GOOD
        yield f"{text} {when}", (), MILDLY_GOOD


def _mixed() -> Iterator[Sentence]:
    good = [(text, name) for name, texts in GOOD.items() for text in texts.split("|")]
    bad = [(text, name) for name, texts in BAD.items() for text in texts.split("|")]
    for (glad, pleasant), (down, unpleasant), but in product(good, bad, BUT):
        yield f"{glad} {but} {down}", (pleasant, unpleasant), None
        yield f"{down}, {but} {glad}", (unpleasant, pleasant), None
