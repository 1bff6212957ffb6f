"""Prompts that were written after the first leaning, and that made its rules for hints."""

from __future__ import annotations

SIMPLE = (
    "How far is the moon from the earth?",
    "who sang thriller",
    "What language do people speak in Brazil?",
    "Is coffee bad for you?",
    "What is a haiku?",
    "How many legs does a spider have?",
    "Name the seven dwarfs.",
    "Where can I buy stamps?",
    "Hey there!",
    "That is great, thank you so much.",
    "I feel tired today.",
    "Never mind, I found it.",
    "Could you say that again in simpler words?",
    "Write a short note for my son's lunch box.",
    "I need a nickname for my grandmother.",
    "Wish my boss a happy new year in one line.",
    "Give me a rhyme for orange.",
    "Write two lines for a get-well card.",
    "Say 'see you tomorrow' in Portuguese.",
    "Translate the menu item 'boeuf bourguignon'.",
    "Please put this in Dutch: The shop is closed on Mondays.",
    "Which of these words is a verb: run, blue, quickly?",
    "Sort these names by alphabet: Tom, Anna, Zoe, Ben.",
    "Pull the phone number out of this: call me at 555-0134 after six.",
    (
        "Shorten this to ten words: The committee has decided to postpone the annual picnic until the "
        "weather gets better."
    ),
    "Put commas where they belong: after dinner we washed dried and stacked the plates",
    "What does the git status command show?",
    "How can I list files in a folder with PowerShell?",
    "What is 40 minus 13?",
    "How many grams are in two kilograms?",
    "Wie spät ist es?",
    "Danke, das war alles.",
    "Gib mir einen Reim auf Haus.",
    "Comment dit-on merci en russe ?",
    "Bonjour, tu vas bien ?",
    "¿Qué hora es?",
    "Dame un sinónimo de rápido.",
)
COMPLEX = (
    "Prove by induction that 2^n is greater than n^2 for every n above 4.",
    "Show that every finite group of prime order is cyclic.",
    (
        "Find the volume of the solid that the curve y = sin x makes when it turns about the x-axis between "
        "0 and pi, and verify it with a second method."
    ),
    "Is the series of 1/(n log n) convergent? Give a full argument.",
    "Implement a B-tree with deletion in Rust and write property tests for its invariants.",
    "Our Go service leaks goroutines under load; walk me through finding where they come from.",
    (
        "Rewrite this recursive solver as an iterative one that uses constant memory, and show that both "
        "agree on all inputs."
    ),
    (
        "Write a SQL migration that splits the address column into four, without locking the table, and keep "
        "old clients working."
    ),
    "Why is this React component rendering twice, and how should its state be restructured to avoid it?",
    "Design an access control model for a hospital where staff change roles during a shift.",
    "We have to choose between Kafka and a plain Postgres queue for 5,000 events a second; lay out the case for each.",
    "How would you build a recommendation engine that respects users who opted out of tracking?",
    "Sketch the system behind a ride-sharing app and say what breaks first at a hundred times the traffic.",
    "Plan a two-week trip through Japan for a family of five with a toddler, trains only, on 6,000 euros.",
    "Draw up a reorganisation of a support team of 40 into three shifts, with a transition that nobody loses pay in.",
    "Develop a strategy for a small museum to double its visitors in three years.",
    "Write a long essay on whether Hamlet is mad, quoting from at least three acts.",
    "Draft a policy paper on congestion charges for a mid-sized city, addressing the objections of shop owners.",
    "Write a chapter of a detective novel in which the narrator hides that he is the murderer.",
    "Discuss how the printing press and the internet differ in their effect on religious authority.",
    (
        "A farmer must cross a river with a wolf, a goat and a cabbage, and now also a dog that chases the "
        "wolf. Find the shortest crossing or argue that none exists."
    ),
    (
        "If it takes five machines five minutes to make five parts, but each machine fails one time in ten, "
        "how long do a hundred machines need for a hundred good parts on average? Show your reasoning."
    ),
    "What would have to be true for a four-day week to raise output? Examine the evidence and its weaknesses.",
    (
        "Interpret this regression: the coefficient of income turns negative once education is added. What "
        "could explain it?"
    ),
    "Beweise, dass die Menge der reellen Zahlen überabzählbar ist.",
    "Entwickle eine Strategie, wie ein Stadtwerk bis 2035 klimaneutral wird, und nenne die größten Hindernisse.",
    "Explique pourquoi le théorème de Gödel limite le programme de Hilbert, et ce qu'il n'implique pas.",
    "Rédige une dissertation sur la liberté chez Rousseau et Hobbes.",
    "Compara las reformas agrarias de México y Bolivia y explica por qué tuvieron resultados distintos.",
    "Diseña un experimento para medir si los gatos reconocen su nombre, con grupos de control y análisis estadístico.",
)
