"""Independent n-gram arithmetic in plain Python dictionaries, from the papers; slow, and sharing no code with asr."""

import math
import random
from collections import Counter, defaultdict


def made_up_text(sentences=300, words=300, seed=1):
    """Sentences whose words follow a Zipf law and depend on the word before."""
    draw = random.Random(seed)
    weights = [rank**-1.6 for rank in range(1, words + 1)]
    text = []
    for _ in range(sentences):
        sentence, last = [], 0
        for _ in range(draw.randint(1, 12)):
            last = (draw.choices(range(words), weights)[0] + last % 3) % words
            sentence.append(f"w{last}")
        text.append(sentence)
    return text


def slow_kneser_ney(sentences, order, cutoffs=None):
    """Interpolated modified Kneser-Ney: {n-gram: [probability, back-off weight]}.

    Chen & Goodman (1998), section 4.1.6, equation 26 for the discounts; n-grams that begin with <s> keep their counts;
    the unigrams are interpolated with the uniform distribution over all words but <s>, <unk> among them; n-grams seen
    at most `cutoffs[k - 1]` times are dropped after the discounts were taken, their mass going to the back-off.
    """
    cutoffs = cutoffs or [0] * order
    raw = [Counter() for _ in range(order + 1)]
    for sentence in sentences:
        padded = ["<s>", *sentence, "</s>"]
        for k in range(1, order + 1):
            for i in range(len(padded) - k + 1):
                raw[k][tuple(padded[i : i + k])] += 1
    adjusted = [Counter() for _ in range(order + 1)]
    adjusted[order] = Counter(raw[order])
    for k in range(1, order):
        before = defaultdict(set)
        for ngram in raw[k + 1]:
            before[ngram[1:]].add(ngram[0])
        for ngram, count in raw[k].items():
            adjusted[k][ngram] = count if ngram[0] == "<s>" else len(before[ngram])
    adjusted[1][("<s>",)] = 0
    adjusted[1][("<unk>",)] += 0
    uniform = 1 / (len(adjusted[1]) - 1)
    model = {}
    for k in range(1, order + 1):
        discount = slow_discounts(adjusted[k])
        contexts = defaultdict(list)
        for ngram, count in adjusted[k].items():
            contexts[ngram[:-1]].append((ngram, count))
        for context, followers in contexts.items():
            total = sum(count for _, count in followers)
            kept = [(ngram, count) for ngram, count in followers if k == 1 or raw[k][ngram] > cutoffs[k - 1]]
            spared = total - sum(count for _, count in kept) + sum(discount[min(count, 3)] for _, count in kept)
            if context in model:
                model[context][1] = spared / total
            for ngram, count in kept:
                lower = uniform if k == 1 else model[ngram[1:]][0]
                model[ngram] = [(count - discount[min(count, 3)]) / total + spared / total * lower, 1.0]
    return model


def slow_discounts(counts):
    """Discounts for counts 0, 1, 2 and 3 or more; lmplz's fallback where they are undefined or out of range."""
    n = Counter(counts.values())
    fallback = [0.0, 0.5, 1.0, 1.5]
    if not (n[1] and n[2] and n[3]):
        return fallback
    share = n[1] / (n[1] + 2 * n[2])
    discounts = [0.0, *(j - (j + 1) * share * n[j + 1] / n[j] for j in (1, 2, 3))]
    return discounts if all(0 <= d <= j for j, d in enumerate(discounts)) else fallback


def slow_prob(model, history, word):
    """P(word | history) by the back-off rule on {n-gram: [probability, back-off weight]}."""
    weight = 1.0
    for start in range(len(history) + 1):
        context = tuple(history[start:])
        if (*context, word) in model:
            return weight * model[(*context, word)][0]
        if context in model:
            weight *= model[context][1]
    raise KeyError(word)


def slow_sentence(model, order, sentence):
    """Natural log-probability of a sentence and its end; words outside the model are <unk>."""
    known = [word if (word,) in model else "<unk>" for word in sentence]
    padded = ["<s>", *known, "</s>"]
    return sum(math.log(slow_prob(model, padded[max(0, i - order + 1) : i], padded[i])) for i in range(1, len(padded)))


def as_dictionary(tables):
    """The n-grams of NGramTables as {n-gram: [probability, back-off weight]}."""
    model = {}
    for order in range(1, tables.order + 1):
        table = tables.orders[order - 1]
        for ids, log_prob, backoff in zip(
            tables.ngrams(order).tolist(), table.log_probs.tolist(), table.backoffs.tolist(), strict=True
        ):
            model[tuple(tables.vocabulary[index] for index in ids)] = [10**log_prob, 10**backoff]
    return model
