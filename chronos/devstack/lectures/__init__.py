"""The lectures of the demo: texts of our own, read aloud and filmed with slides, made once and kept."""

from chronos.devstack.lectures.making import Lecture, make_lectures
from chronos.devstack.lectures.script import Script, Sentence, scripts

__all__ = ["Lecture", "Script", "Sentence", "make_lectures", "scripts"]
