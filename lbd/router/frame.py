"""What people and templates say around a task: greetings, thanks, roles, "please answer the following".

It says nothing of how hard the task is, so it is taken off before anything is measured: a prompt is judged the
same with and without it, in each language that is known here. Only whole sentences (up to ``. ! ? :`` or a line's
end) are taken, from both ends, and only if every word of them is a frame word.
"""

from __future__ import annotations

from collections.abc import Sequence

_ENGLISH = """
a about accurate accurately advance ai am an and answer answering answers any appreciate appreciated are as assist
assistant at based be below best brief briefly by can care careful carefully choose clear clearly concise concisely
correct could dear detailed directly do each expert following for give given good great greatly have hello help
helpful hello hey hi hope human i if in input instruction instructions into is it knowledgeable language like lot me
model much my need of on one only option output please kindly polite politely precise precisely prompt provide
question questions quick reply respond response right select so solve step system task tell thank thanks that the
then there think this thought to user very want we will with would you your yours
"""
_OTHERS = """
bitte beantworte beantworten sie die der das folgende folgenden frage fragen aufgabe könnten könntest du mir helfen
hilfe danke vielen dank hallo guten tag sehr geehrte damen und herren ich habe eine einen ein antworte für deine ihre
im voraus du bist hilfreicher assistent
bonjour salut merci beaucoup bien cordialement vous plaît veuillez pouvez pourriez répondre répondez à la le les
question suivante suivant aider aidez moi de votre aide avance s il te réponds tu es un une assistant utile
hola buenos días gracias muchas por favor puede puedes podría podrías responder responda responde a la siguiente
pregunta ayudar ayudarme con tu su ayuda antemano eres asistente útil el los las
ciao buongiorno grazie mille per favore può puoi potresti potrebbe rispondere rispondi alla seguente domanda aiutare
aiutarmi anticipo sei il lo un una
olá obrigado obrigada muito poderia pode responder responda à seguinte pergunta ajudar sua você é assistente
hoi dank je wel alsjeblieft alstublieft kunt kun beantwoord beantwoorden volgende vraag helpen met uw jouw hulp
"""
FRAME = frozenset(_ENGLISH.split()) | frozenset(_OTHERS.split())
# Words that may go from the start of the task's own first sentence: none of them is ever part of a task.
COURTESY = frozenset(
    [
        "please",
        "kindly",
        "hi",
        "hello",
        "hey",
        "bitte",
        "hallo",
        "bonjour",
        "hola",
        "ciao",
        "olá",
        "hoi",
        "gracias",
        "merci",
        "danke",
    ]
)
_ENDS = frozenset(".!?:\n。！？：")  # noqa: RUF001 (full stops of Chinese and Japanese)
MOST = 80  # tokens looked at from each end: longer frames are instructions of their own


def bare(tokens: Sequence[str]) -> tuple[int, int]:
    """Return where the task begins and ends among the tokens; (0, all) where nothing but frame is there."""
    size = len(tokens)
    begin, at = 0, 0
    while at < size and at < MOST:
        token = tokens[at]
        at += 1
        if token[0] in _ENDS:
            begin = at
        elif token not in FRAME and token[0].isalnum():
            break
    end, at = size, size
    while at > begin and at > size - MOST:
        at -= 1
        token = tokens[at]
        if token[0] in _ENDS:
            end = at + 1
        elif token not in FRAME and token[0].isalnum():
            break
    else:
        if at <= begin:
            return 0, size
    end = size if end > size else end
    while begin < end and (tokens[begin] in COURTESY or not tokens[begin][0].isalnum()) and tokens[begin] in _SKIPPED:
        begin += 1
    return begin, end


_SKIPPED = COURTESY | {",", "\n", "-", "—", "*", "#", ":"}
