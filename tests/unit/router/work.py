"""Prompts that ask for work, of several kinds and languages: what ``labelled`` calls complex."""

from __future__ import annotations

CONTRACT = (
    "Clause {n}. The supplier delivers the goods within thirty days of the order; where the buyer has changed the "
    "order, the time begins anew, unless clause {m} says otherwise. A delay that the buyer caused does not count, and "
    "a penalty is due only after a notice in writing that names this clause. "
)
AGREEMENT = "".join(CONTRACT.format(n=n, m=(n * 7) % 23 + 1) for n in range(1, 24))

COMPLEX = {
    "hard code": (
        "Write a Python function that merges overlapping intervals, and explain its complexity.",
        ("Implement a thread-safe LRU cache in Java with expiry, and discuss how you would test it for races."),
        (
            "My asyncio server hangs after a few thousand requests and memory grows. Here is what I see in "
            "the traces: tasks wait on a lock that is never released. How do I find the cause and fix it?"
        ),
        (
            "Refactor this class so that it can be tested without a database, and explain each "
            "step:\n\nclass Orders:\n    def __init__(self):\n        self.db = connect()\n    def "
            "total(self, user):\n        return sum(r.price for r in self.db.query('select * from orders "
            "where user=%s' % user))"
        ),
        "Implement Raft leader election in Go, including timeouts, terms and log comparison.",
        (
            "Find the bug in this code:\n\ndef median(xs):\n    xs.sort()\n    n = len(xs)\n    return "
            "(xs[n/2] + xs[n/2-1])/2 if n % 2 else xs[n//2]"
        ),
        "Write a lock-free queue in C++ and argue why it is correct under the memory model.",
        (
            "Optimize this query, which takes 40 seconds: SELECT c.name, SUM(o.total) FROM customers c LEFT "
            "JOIN orders o ON o.customer_id = c.id WHERE o.created > NOW() - INTERVAL 90 DAY GROUP BY "
            "c.name HAVING SUM(o.total) > 1000"
        ),
        ("Write a parser for arithmetic expressions with precedence, unary minus and parentheses, without using eval."),
        ("Debug this deadlock: thread A holds lock 1 and waits for 2, thread B the reverse, but only under load."),
        (
            "Schreibe einen Scheduler in Rust, der Aufgaben mit Abhängigkeiten parallel ausführt, und "
            "begründe die Sperren."
        ),
        (
            "Implémente en Python un algorithme de plus court chemin avec contraintes de temps et explique "
            "sa complexité."
        ),
    ),
    "hard math": (
        "Prove that the square root of 2 is irrational.",
        (
            "Let $p$ be an odd prime. Show that the sum of the quadratic residues modulo $p$ is divisible "
            "by $p$ for $p > 3$."
        ),
        ("Find all functions f from the reals to the reals such that f(x + y) = f(x) + f(y) + xy for all x and y."),
        "Prove or disprove: every bounded sequence of real numbers has a convergent subsequence.",
        "Evaluate the integral of x^2 e^(-x^2) from 0 to infinity and justify each step.",
        "How many ways are there to colour the faces of a cube with three colours up to rotation?",
        "Derive the closed form of the Fibonacci numbers with generating functions.",
        "Show that a continuous bijection from a compact space to a Hausdorff space is a homeomorphism.",
        "Beweise, dass es unendlich viele Primzahlen gibt.",
        "Démontrez que la somme des n premiers entiers impairs est égale au carré de n.",
        "Demuestra que no existe un número racional cuyo cuadrado sea 3.",
        "Solve the recurrence T(n) = 3 T(n/2) + n log n and prove the bound.",
    ),
    "reasoning": (
        (
            "Five people of different nations live in five houses of different colours; each has another "
            "pet and drink. The Norwegian lives in the first house, the green house is left of the white "
            "one, the Dane drinks tea, and the owner of the fish lives beside the one who keeps cats. Work "
            "out who owns the fish."
        ),
        (
            "Three boxes are labelled apples, oranges and both, and every label is wrong. You may draw one "
            "fruit from one box. Which box do you draw from, and why does that settle all three?"
        ),
        (
            "Analyse the strongest arguments for and against a universal basic income, and say which you "
            "find convincing."
        ),
        (
            "A patient of 58 has had night sweats, weight loss and a dry cough for two months. Which "
            "diagnoses would you consider, in which order would you rule them out, and why?"
        ),
        ("Critique the methodology of a study that finds coffee drinkers live longer, and propose a better design."),
        (
            "You have two ropes that each burn in an hour, unevenly. How can you measure 45 minutes, and "
            "why does it work?"
        ),
        "Compare Kant's and Mill's views of lying and apply both to a doctor who hides a diagnosis.",
        (
            "If all bloops are razzies and some razzies are lazzies, does it follow that some bloops are "
            "lazzies? Explain step by step, with a counterexample if there is one."
        ),
        ("Vergleiche die Ursachen der beiden Weltkriege und bewerte, welche Rolle die Bündnisse spielten."),
        ("Analyse les causes économiques de la Révolution française et discute deux interprétations opposées."),
        ("Analiza las ventajas y los riesgos de una moneda digital del banco central y argumenta tu conclusión."),
        (
            "Explain why the Monty Hall problem has the answer it has, and how it changes if the host opens "
            "doors at random."
        ),
    ),
    "design": (
        "Design a rate limiter for a distributed API gateway and discuss its trade-offs.",
        (
            "Propose an architecture for a chat service with ten million users, including storage, fan-out "
            "and failure modes."
        ),
        ("Compare event sourcing and plain tables for an accounting system; recommend one and justify it."),
        ("How would you migrate a monolith to services without downtime? Give the steps, risks and how to roll back."),
        ("Design a database schema for a hospital with wards, shifts, drugs and audits, and explain the constraints."),
        (
            "Entwirf eine Architektur für ein verteiltes Zahlungssystem und erkläre, wie doppelte Buchungen "
            "verhindert werden."
        ),
        ("Conçois une stratégie de sauvegarde pour une banque et évalue les compromis entre coût et temps de reprise."),
        "Diseña un sistema de recomendaciones para una tienda y explica cómo medirías su calidad.",
        (
            "What are the trade-offs between consistency and availability in a multi-region store, and when "
            "would you choose each?"
        ),
        ("Evaluate three strategies for pricing a new cloud product and model their revenue under two scenarios."),
    ),
    "planning": (
        (
            "Plan a three-month training schedule for a first marathon with a knee injury, with weekly "
            "distances and tests."
        ),
        (
            "Create a detailed business plan for a bicycle repair shop, with budget, risks, milestones and "
            "a cash forecast."
        ),
        ("Plan the move of an office with 80 people over one weekend: tasks, dependencies, owners and fallbacks."),
        ("Develop a twelve-week curriculum for teaching statistics to nurses, with goals, exercises and assessment."),
        ("Write a project plan for replacing our billing system, with phases, dependencies and a risk register."),
        (
            "Erstelle einen ausführlichen Projektplan für die Einführung eines neuen ERP-Systems mit "
            "Risiken und Meilensteinen."
        ),
        ("Élabore un plan détaillé pour ouvrir un restaurant, avec budget, étapes, risques et calendrier."),
        ("Elabora un plan detallado de investigación sobre el agua potable, con hipótesis, métodos y presupuesto."),
    ),
    "long writing": (
        ("Write a 2000-word essay on how printing changed religion in Europe, with at least five cited sources."),
        (
            "Write a detailed short story in which each chapter is told by another witness who contradicts "
            "the one before."
        ),
        "Write a comprehensive report on the risks of deep-sea mining for a parliamentary committee.",
        ("Draft a legal memo on whether a verbal agreement to sell land can be enforced, weighing both sides."),
        ("Write a literature review that compares four theories of motivation and identifies a gap for research."),
        ("Schreibe einen ausführlichen Essay über Freiheit und Verantwortung bei Sartre, mit Gegenargumenten."),
    ),
    "long context": (
        "Which obligations in this agreement contradict each other, and which clause prevails?\n\n" + AGREEMENT,
        (
            AGREEMENT + "\n\nList every deadline, who bears each risk, and where the wording leaves a gap we could "
            "exploit."
        ),
        (
            "Compare the following two versions and explain every change of meaning:\n\n"
            + AGREEMENT
            + "\n\n"
            + AGREEMENT
        ),
        (
            "Here is our agreement.\n"
            + AGREEMENT
            + "\nThe buyer changed the order twice. When is delivery due, and why?"
        ),
    ),
}
