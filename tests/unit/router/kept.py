"""Prompts that were written when the leaning was finished, and that nothing was changed for."""

from __future__ import annotations

SIMPLE = (
    "What is the boiling point of water?",
    "who is the king of sweden",
    "Do penguins fly?",
    "What do you call a baby kangaroo?",
    "How many players are in a football team?",
    "What's the currency of Poland?",
    "When is Mother's Day this year?",
    "Good evening, nice to meet you.",
    "Haha, good one.",
    "Perfect, exactly what I wanted.",
    "I am hungry.",
    "Stop, that is enough.",
    "Make up a username for a gardener.",
    "Write a toast for a small wedding in three lines.",
    "Give me a funny fact about cows.",
    "Invent a name for a blue dragon.",
    "Compose a two-line rhyme about rain.",
    "How would you say 'good luck' in Italian?",
    "What is the French word for butterfly?",
    "Please translate this into English: Wo ist der Bahnhof?",
    "Find the email address in this line: write to anna@example.org or call us.",
    "Does this sentence sound angry? 'I asked you twice already.'",
    "Change this to past tense: She walks to school and meets her friend.",
    "Give this paragraph a heading: Bees visit flowers to gather nectar, and carry pollen from one to the next.",
    "Which command shows the current directory?",
    "How do I comment out a line in YAML?",
    "What is a third of 90?",
    "How many centimeters are in an inch?",
    "Welcher Tag ist heute?",
    "Tschüss, bis morgen!",
    "Quel temps fait-il à Nice ?",
    "Raconte-moi une blague.",
    "¿Cómo se dice 'perro' en alemán?",
    "Gracias por todo.",
)
COMPLEX = (
    "Prove that no integer of the form 4k + 3 is a sum of two squares.",
    "Determine all real solutions of x^4 - 4x^3 + 6x^2 - 4x = 0 and show that there are no others.",
    "Give a proof that the halting problem cannot be decided, and say where the diagonal argument enters.",
    "Calculate the expected number of rolls until a die has shown every face, and explain the method.",
    "Write a garbage collector for a toy language in C, with mark and sweep, and measure its pauses.",
    "Our tests pass locally and fail in CI about one time in twenty; how do we get to the bottom of it?",
    "Port this threaded web crawler to asyncio, keep its rate limits, and explain what may go wrong.",
    (
        "Write a function that solves sudoku puzzles by constraint propagation and backtracking, and analyse "
        "its worst case."
    ),
    "Sketch how you would make a payment API idempotent across retries, crashes and duplicate webhooks.",
    "Choose a database for time series of a million sensors, and defend the choice against two others.",
    "How should a bank structure its backups so that an attacker with admin rights cannot destroy them?",
    "Set out a plan for teaching a class of thirty mixed-ability pupils fractions in six weeks.",
    (
        "Organise a conference for 300 people on a tight budget: venue, programme, helpers, and what to do "
        "if a speaker drops out."
    ),
    "Write an essay that argues against standardised testing and answers the three best replies to it.",
    "Write a speech for a minister who must announce spending cuts to nurses without losing their trust.",
    "Assess whether the fall of Rome was caused more by economics or by migration.",
    (
        "Explain how vaccines trained the immune system long before anyone knew of antibodies, and what was "
        "misunderstood."
    ),
    "Four friends each tell one truth and one lie about who broke the vase. Work out who did it and show each step.",
    "A contract says 'delivery by June or as soon as possible'. Which readings could each party argue for in court?",
    "Beschreibe, wie man ein Rechenzentrum ohne Ausfall in eine andere Stadt umzieht, und welche Risiken bleiben.",
    "Zeige, dass die Summe der Innenwinkel eines n-Ecks (n-2) mal 180 Grad ist.",
    "Analyse comment la photographie a changé la peinture au XIXe siècle.",
    "Propose une architecture pour un réseau de capteurs agricoles à faible consommation et justifie chaque choix.",
    "Explica cómo diseñarías un sistema de votación electrónica que sea secreto y verificable a la vez.",
    "Escribe un ensayo sobre la relación entre Borges y la filosofía idealista.",
)
