"""Simulated card transactions whose fraud probability is known."""

from numbers import Integral, Real

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit, logit
from sklearn.utils import Bunch

_DAY = 86_400.0
_SPAN = 90 * _DAY

_HOUR_SHARES = np.array(
    [
        2,
        1,
        1,
        1,
        1,
        2,
        4,
        8,
        12,
        14,
        16,
        18,
        20,
        18,
        16,
        16,
        18,
        20,
        20,
        16,
        12,
        9,
        6,
        4,
    ]
)
_CHANNELS = np.array(["atm", "online", "phone", "store"])
_COUNTRIES = np.array(["AT", "BR", "DE", "FR", "NG", "TH", "UK", "US"])
_COUNTRY_SHARES = np.array([0.08, 0.03, 0.30, 0.18, 0.02, 0.03, 0.16, 0.20])
_MERCHANTS = np.array(
    [
        "clothing",
        "digital_goods",
        "electronics",
        "fuel",
        "gift_cards",
        "grocery",
        "jewellery",
        "pharmacy",
        "restaurant",
        "travel",
    ]
)
_MERCHANT_SHARES = np.array([12, 8, 6, 12, 3, 30, 2, 7, 15, 5])

# Log-odds by category, in the order of the arrays above, before and after the drift.
_MERCHANT_RISK = np.array(
    [
        [0.0, 0.2, 1.6, -0.5, 0.3, -1.0, 1.6, -0.5, -0.7, 0.4],
        [0.0, 1.6, 0.1, -0.5, 1.8, -1.0, 0.2, -0.5, -0.7, 1.0],
    ]
)
_COUNTRY_RISK = np.array(
    [
        [0.0, 0.2, 0.0, 0.0, 1.5, 0.0, 0.0, 0.2],
        [0.0, 1.5, 0.0, 0.0, 0.2, 0.9, 0.0, 0.2],
    ]
)


def make_transactions(
    n_samples=20000,
    *,
    n_cards=None,
    fraud_rate=0.01,
    drift=1.0,
    random_state=None,
):
    """Simulate 90 days of card transactions with known fraud probabilities.

    Real fraud data has labels but no true probabilities, so calibration cannot be
    checked exactly. Here `y` is drawn from `proba`, and `proba` is a function of the
    columns of `X` and of the time alone: the best possible classifier predicts `proba`.

    Parameters
    ----------
    n_samples : int, default=20000
        Number of transactions.
    n_cards : int, default=None
        Number of cards. None means one for every 30 transactions. Some cards are used
        far more than others, and a card of a small simulation may never be used.
    fraud_rate : float, default=0.01
        Mean of `proba`, in (0, 1). The share of frauds in `y` scatters around it.
    drift : float, default=1.0
        How much the fraud pattern has changed after 90 days, in [0, 1]. With 0 `proba`
        does not depend on the time. With 1 the pattern is replaced: fraud moves from
        large amounts at electronics shops and jewellers to runs of tiny amounts at
        gift card and digital goods shops, and to other countries.
    random_state : int, RandomState, Generator or None, default=None
        Seed. Equal integers give equal data.

    Returns
    -------
    bunch : Bunch
        Dictionary-like object with the following attributes. Rows are in the order of
        time.

        X : DataFrame of shape (n_samples, 11)
            - amount: float, in units of money
            - amount_ratio: float, amount / usual amount of the card; missing at the
              first transaction of a card
            - hour: float, hour of the day in [0, 24)
            - weekday: int, 0 is Monday
            - seconds_since_previous: float, since the card's last transaction;
              missing at its first
            - n_last_24h: int, earlier transactions of the card in the last 24 hours
            - merchant: category of 10; 2 % missing
            - country: category of 8; 1 % missing
            - abroad: bool, country is known and not the card's home
            - channel: category of 4
            - chip: bool, the chip of the card was read
        y : ndarray of shape (n_samples,)
            int64, 1 is a fraud. Frauds come in bursts on a card.
        proba : ndarray of shape (n_samples,)
            P(y = 1 | X, time), float64.
        groups : ndarray of shape (n_samples,)
            Card of each row (int64).
        time : ndarray of shape (n_samples,)
            Seconds since the start, a Monday at 00:00 (float64), increasing.
        DESCR : str
            Short description.

    Raises
    ------
    ValueError
        When a parameter is out of its range.

    Notes
    -----
    An event is an ordinary purchase, a shopping trip (several purchases of one card
    within hours), or a theft-like episode (the same, but often abroad, online and of
    unusual amounts). The kind decides which features are drawn and does not enter
    `proba`, which depends on the features only. A missing value adds nothing to the
    log-odds.

    The log-odds have interactions (short gaps count when many transactions precede;
    night counts online; abroad counts without a chip) and an intercept that is solved
    for `fraud_rate`. At the default `fraud_rate` the ROC AUC of `proba` itself, which
    no classifier can beat, is about 0.95.

    Examples
    --------
    >>> from sklimb.datasets import make_transactions
    >>> bunch = make_transactions(1000, random_state=0)
    >>> bunch.X.shape
    (1000, 11)
    >>> round(float(bunch.proba.mean()), 6)
    0.01
    """
    _check_parameters(n_samples, n_cards, fraud_rate, drift)
    if n_cards is None:
        n_cards = max(1, n_samples // 30)
    rng = _generator(random_state)
    card, time, attack = _events(rng, n_samples, n_cards)
    X = _features(rng, card, time, attack, n_cards)
    log_odds = _log_odds(X, drift * time / _SPAN)
    proba = expit(log_odds + _intercept(log_odds, fraud_rate))
    # Drawn last, so that X cannot depend on y.
    y = (rng.random(n_samples) < proba).astype(np.int64)
    return Bunch(
        X=X,
        y=y,
        proba=proba,
        groups=card,
        time=time,
        DESCR="Simulated card transactions; y is drawn from the known proba.",
    )


def _check_parameters(n_samples, n_cards, fraud_rate, drift):
    n_cards = 1 if n_cards is None else n_cards
    for name, value in [("n_samples", n_samples), ("n_cards", n_cards)]:
        if not isinstance(value, Integral) or value < 1:
            raise ValueError(f"{name} must be an integer of at least 1, got {value!r}.")
    if not isinstance(fraud_rate, Real) or not 0 < float(fraud_rate) < 1:
        raise ValueError(f"fraud_rate must be in (0, 1), got {fraud_rate!r}.")
    if not isinstance(drift, Real) or not 0 <= float(drift) <= 1:
        raise ValueError(f"drift must be in [0, 1], got {drift!r}.")


def _generator(random_state):
    if isinstance(random_state, np.random.RandomState):
        random_state = random_state.randint(2**32, dtype=np.uint32)
    return np.random.default_rng(random_state)


def _events(rng, n_samples, n_cards):
    """Card, time and kind of each transaction, in the order of time."""
    activity = rng.gamma(2.0, size=n_cards)
    card = rng.choice(n_cards, size=n_samples, p=activity / activity.sum())
    day = rng.integers(int(_SPAN / _DAY), size=n_samples)
    hour = rng.choice(24, size=n_samples, p=_HOUR_SHARES / _HOUR_SHARES.sum())
    time = _DAY * day + 3600.0 * (hour + rng.random(n_samples))

    kind = rng.choice(3, size=n_samples, p=[0.83, 0.13, 0.04])
    for which, size, hours in [(1, 3, 3.0), (2, 6, 8.0)]:
        rows = np.flatnonzero(kind == which)
        # The first rows keep their card and time; the others follow one of them.
        n_runs = -(-len(rows) // size)
        leader = rows[np.arange(len(rows)) % max(n_runs, 1)]
        delay = 3600.0 * hours * rng.random(len(rows)) ** 2
        delay[:n_runs] = 0.0
        # Rows that would fall after the last day precede their leader instead.
        delay = np.where(time[leader] + delay < _SPAN, delay, -delay)
        card[rows] = card[leader]
        time[rows] = time[leader] + delay
    order = np.argsort(time, kind="stable")
    return card[order], time[order], kind[order] == 2


def _features(rng, card, time, attack, n_cards):
    n_samples = len(card)
    usual_amount = np.exp(rng.normal(3.5, 0.6, size=n_cards))
    home = rng.choice(len(_COUNTRIES), size=n_cards, p=_COUNTRY_SHARES)

    wide = np.where(attack, 1.5, 0.8)
    ratio = np.exp(wide * rng.standard_normal(n_samples))
    amount = np.maximum(np.round(ratio * usual_amount[card], 2), 0.01)

    # Codes, so that -1 can mean missing.
    country = home[card]
    travels = rng.random(n_samples) < np.where(attack, 0.5, 0.05)
    country[travels] = rng.integers(len(_COUNTRIES), size=travels.sum())
    merchant = rng.choice(
        len(_MERCHANTS), size=n_samples, p=_MERCHANT_SHARES / _MERCHANT_SHARES.sum()
    )
    anywhere = attack & (rng.random(n_samples) < 0.7)
    merchant[anywhere] = rng.integers(len(_MERCHANTS), size=anywhere.sum())
    channel = np.where(
        attack,
        rng.choice(len(_CHANNELS), size=n_samples, p=[0.05, 0.75, 0.05, 0.15]),
        rng.choice(len(_CHANNELS), size=n_samples, p=[0.08, 0.27, 0.03, 0.62]),
    )
    present = np.isin(_CHANNELS[channel], ["atm", "store"])
    chip = present & (rng.random(n_samples) < np.where(attack, 0.4, 0.9))
    country[rng.random(n_samples) < 0.01] = -1
    merchant[rng.random(n_samples) < 0.02] = -1

    since_previous, n_last_24h = _history(card, time)
    first = np.isnan(since_previous)
    return pd.DataFrame(
        {
            "amount": amount,
            "amount_ratio": np.where(first, np.nan, amount / usual_amount[card]),
            "hour": time % _DAY / 3600.0,
            "weekday": (time // _DAY % 7).astype(np.int8),
            "seconds_since_previous": since_previous,
            "n_last_24h": n_last_24h,
            "merchant": pd.Categorical.from_codes(merchant, _MERCHANTS),
            "country": pd.Categorical.from_codes(country, _COUNTRIES),
            "abroad": (country >= 0) & (country != home[card]),
            "channel": pd.Categorical.from_codes(channel, _CHANNELS),
            "chip": chip,
        }
    )


def _history(card, time):
    """Seconds since the card's previous row, and its rows in the 24 hours before."""
    order = np.lexsort((time, card))
    since_previous = np.diff(time[order], prepend=np.nan)
    since_previous[np.diff(card[order], prepend=-1) != 0] = np.nan
    # One time axis for all cards, with 24 empty hours before each card's first row.
    clock = time[order] + card[order] * (_SPAN + 2 * _DAY)
    count = np.arange(len(clock)) - np.searchsorted(clock, clock - _DAY)

    since_rows, count_rows = np.empty(len(card)), np.empty(len(card), dtype=np.int32)
    since_rows[order], count_rows[order] = since_previous, count
    return since_rows, count_rows


def _log_odds(X, progress):
    """Log-odds of fraud but for the intercept; `progress` of the drift is in [0, 1]."""

    def mixed(risks, codes):
        # A missing category has code -1 and takes the appended 0.
        before, after = np.pad(risks, [(0, 0), (0, 1)])[:, codes]
        return (1 - progress) * before + progress * after

    hurry = np.exp(-X["seconds_since_previous"].fillna(np.inf) / 7200.0)
    run = hurry * np.log1p(X["n_last_24h"])
    log_ratio = np.log(X["amount_ratio"].fillna(1.0))
    large = np.clip(log_ratio, 0.0, 3.0)
    tiny = np.clip(-log_ratio - 0.5, 0.0, 3.0)
    night = 0.5 + 0.5 * np.cos(2 * np.pi * (X["hour"] - 3.0) / 24.0)
    online = X["channel"] == "online"

    log_odds = (
        2.0 * run
        + (1 - progress) * large * (1.1 + 0.6 * online)
        + progress * tiny * (0.4 + 1.5 * run)
        + 1.8 * night**2 * online
        + 2.0 * (X["abroad"] & ~X["chip"])
        - 1.5 * X["chip"]
        + mixed(_MERCHANT_RISK, X["merchant"].cat.codes)
        + mixed(_COUNTRY_RISK, X["country"].cat.codes)
    )
    return log_odds.to_numpy()


def _intercept(log_odds, fraud_rate):
    # At the ends of the bracket all probabilities are below, or above, the wanted mean.
    middle = logit(fraud_rate)
    return brentq(
        lambda intercept: expit(log_odds + intercept).mean() - fraud_rate,
        middle - log_odds.max() - 1.0,
        middle - log_odds.min() + 1.0,
    )
