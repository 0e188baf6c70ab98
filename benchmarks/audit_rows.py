"""Half a year's history of the audit, written by the database itself: millions in minutes."""

from __future__ import annotations

from collections.abc import Iterator

OPEN = 250  # sessions that are open, each with a live token, on both sites
OWED = 200
HEAVY, HEAVY_OF_FEW = 5_000, 60  # tokens of the latest session, in addition
DAYS_OF_MILLIONS = 170  # for five million tokens; of fewer the history is as much shorter
USUAL, USUAL_SESSIONS = 77, 60  # a learner, and how many of the latest sessions are theirs
BUSY = 50  # one session of so many is of the learner who has most


def fill(tokens: int, users: int) -> dict[str, str]:
    """Write the rows; return what the addresses name of them."""
    from django.contrib.auth import get_user_model
    from django.db import connection

    from convai_tokens.models import ConvaiToken, LearnerSession

    model = get_user_model()
    staff = {2: "staff-2", 3: "staff-3"}
    model._default_manager.bulk_create(
        [
            model(
                pk=pk,
                username=staff.get(pk, f"user-{pk:07d}"),
                is_staff=pk in staff,
                is_superuser=pk in staff,
                first_name="Rarely" if pk == USUAL else "",
            )
            for pk in range(1, users + 1)
        ],
        batch_size=5_000,
    )
    sessions = tokens // 2
    seconds = max(3 * 3600, DAYS_OF_MILLIONS * 86_400 * tokens / 5_000_000)
    sql = (Postgresql if connection.vendor == "postgresql" else Mariadb)(seconds)
    with connection.cursor() as cursor:
        for statement in statements(sql, sessions, tokens, users):
            cursor.execute(statement)
    last = LearnerSession.objects.latest("started_at")
    token = ConvaiToken.objects.earliest("pk")
    first_day = LearnerSession.objects.earliest("started_at").started_at.date()
    usual = LearnerSession.objects.filter(user=USUAL).order_by("-started_at")[1]
    return {
        "heavy": str(last.pk),
        "session": str(usual.pk),
        "token": str(token.pk),
        "fingerprint": token.fingerprint,
        "first_day": str(first_day),
        "last_page": str(min(10_000, sessions) // 50 if sessions > 10_000 else sessions // 50),
    }


class Postgresql:
    """How PostgreSQL says it, of a history of so many seconds."""

    before, after = ("SET synchronous_commit = off",), ("VACUUM ANALYZE",)
    hour = "now() + interval '1 hour'"
    now = "now()"

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def series(self, count: int) -> str:
        return f"generate_series(1, {count}) AS n"

    def uuid(self, number: str) -> str:
        digest = f"md5('s' || ({number}))"
        return f"CAST(overlay(overlay({digest} placing '4' from 13) placing '8' from 17) AS uuid)"

    def text(self, before: str, number: str, width: int) -> str:
        return f"'{before}' || lpad(CAST({number} AS text), {width}, '0')"

    def ago(self, number: str, total: int) -> str:
        return (
            f"now() - interval '{self.seconds} seconds' * (1 - CAST({number} AS float) / {total})"
        )

    def digest(self, number: str) -> str:
        return f"md5(CAST({number} AS text))"

    def half(self, number: str, by: int) -> str:
        return f"({number}) / {by}"


class Mariadb:
    """How MariaDB says it, of a history of so many seconds."""

    before: tuple[str, ...] = ()
    after = tuple(
        f"ANALYZE TABLE convai_tokens_{name}"
        for name in ("learnersession", "convaitoken", "tokenevent")
    )
    hour = "utc_timestamp(6) + interval 1 hour"
    now = "utc_timestamp(6)"

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def series(self, count: int) -> str:
        return f"(SELECT seq AS n FROM seq_1_to_{count}) AS numbers"

    def uuid(self, number: str) -> str:
        digest = f"md5(concat('s', {number}))"
        return f"CAST(insert(insert({digest}, 13, 1, '4'), 17, 1, '8') AS uuid)"

    def text(self, before: str, number: str, width: int) -> str:
        return f"concat('{before}', lpad({number}, {width}, '0'))"

    def ago(self, number: str, total: int) -> str:
        seconds = f"CAST({self.seconds} * (1 - ({number}) / {total}) AS DECIMAL(20, 6))"
        return f"utc_timestamp(6) - interval {seconds} second"

    def digest(self, number: str) -> str:
        return f"md5({number})"

    def half(self, number: str, by: int) -> str:
        return f"({number}) DIV {by}"


def statements(sql: Postgresql | Mariadb, sessions: int, tokens: int, users: int) -> Iterator[str]:
    """Yield what writes sessions, two tokens of each, three events of each token, and a link."""
    from convai_tokens.lifecycle.sealing import key_ids

    lively = min(OPEN, sessions // 2)
    is_open, is_live = f"n > {sessions - lively}", f"n > {tokens - 2 * lively} AND n % 2 = 0"
    last = tokens - 2 * lively
    is_owed = f"n BETWEEN {last - min(OWED, tokens // 10)} AND {last}"
    usual = f"n BETWEEN {sessions - USUAL_SESSIONS} AND {sessions - 1} THEN {USUAL}"
    user = f"CASE WHEN {usual} WHEN n % {BUSY} = 0 THEN 1 ELSE n % {users} + 1 END"
    yield from sql.before
    yield f"""
        INSERT INTO convai_tokens_learnersession (id, user_id, username, stack, credential_digest,
            key_id, device, started_at, ended_at, end_reason)
        SELECT {sql.uuid("n")}, {user}, {sql.text("user-", user, 7)}, 'session',
            {sql.text("digest-", "n", 57)}, '{key_ids()[0]}', '', {sql.ago("n", sessions)},
            CASE WHEN {is_open} THEN NULL ELSE {sql.ago("n", sessions)} END,
            CASE WHEN {is_open} THEN '' WHEN n <= 3 THEN 'key_lost'
                WHEN n % 7 = 0 THEN 'replaced' ELSE 'logout' END
        FROM {sql.series(sessions)}"""
    columns = """session_id, status, sealed, fingerprint, generated_at, expires_at, extend_count,
        attempts, rejections, last_error, owed_since, next_attempt_at"""
    yield f"""
        INSERT INTO convai_tokens_convaitoken ({columns})
        SELECT {sql.uuid(sql.half("n + 1", 2))},
            CASE WHEN {is_live} THEN 'active' WHEN n <= 3 THEN 'lapsed' WHEN {is_owed}
                THEN 'revoking' WHEN n % 3 = 0 THEN 'expired' ELSE 'revoked' END,
            CASE WHEN {is_live} OR {is_owed} THEN 'x' ELSE '' END,
            substr({sql.digest("n")}, 1, 12), {sql.ago("n", tokens)},
            CASE WHEN {is_live} THEN {sql.hour} ELSE {sql.ago("n", tokens)} END, 0, 0, 0,
            CASE WHEN {is_owed} THEN 'convai_timeout: Convai did not answer in time.' ELSE '' END,
            CASE WHEN {is_owed} THEN {sql.now} END, CASE WHEN {is_owed} THEN {sql.hour} END
        FROM {sql.series(tokens)}"""
    heavy = HEAVY if sessions > HEAVY else HEAVY_OF_FEW
    yield f"""
        INSERT INTO convai_tokens_convaitoken ({columns})
        SELECT {sql.uuid(str(sessions))}, 'revoked', '', substr({sql.digest("n + 1000000000")},
            1, 12), {sql.now}, {sql.now}, 0, 0, 0, '', NULL, NULL
        FROM {sql.series(heavy)}"""
    events = 3 * tokens
    yield f"""
        INSERT INTO convai_tokens_tokenevent (session_id, token_id, kind, at, actor_id, actor_name,
            detail, mac, forgotten)
        SELECT {sql.uuid(sql.half("n + 5", 6))}, {sql.half("n + 2", 3)},
            CASE WHEN n <= 3 THEN 'lapsed' WHEN n % 3 = 1 THEN 'generated' WHEN n % 3 = 2
                THEN 'owed' ELSE 'revoked' END,
            {sql.ago("n", events)},
            CASE WHEN n = 1 THEN 3 WHEN n = 7 OR n % 5000 = 0 THEN 2 END,
            CASE WHEN n = 1 THEN 'staff-3' WHEN n = 7 OR n % 5000 = 0 THEN 'staff-2' ELSE '' END,
            CASE WHEN n % 3 = 2 THEN 'Session ended: logout' ELSE '' END,
            {sql.text("", "n", 40)}, ''
        FROM {sql.series(events)}"""
    yield f"""
        INSERT INTO convai_tokens_tokenevent (session_id, token_id, kind, at, actor_name, detail,
            mac, forgotten)
        SELECT {sql.uuid(str(sessions))}, {tokens}, 'extended', {sql.now}, '', '',
            {sql.text("", "n", 40)}, ''
        FROM {sql.series(3 * heavy)}"""
    # As if the sweep had tied and counted all of it.
    yield """
        INSERT INTO convai_tokens_auditlink (number, ids, marks, last_id, until, made_at, previous,
            mac)
        SELECT 1, '', '', max(id), max(at), max(at), '', '' FROM convai_tokens_tokenevent"""
    yield f"""
        INSERT INTO convai_tokens_eventcount (hour, kind, count)
        VALUES ({sql.now}, 'generated', 1)"""
    yield from sql.after


def bytes_of_rows() -> dict[str, float]:
    """Return what a row of each table takes, its share of the indexes included."""
    from django.db import connection

    from convai_tokens.models import ConvaiToken, LearnerSession, TokenEvent

    sizes = {}
    for model in (LearnerSession, ConvaiToken, TokenEvent):
        table = model._meta.db_table
        statement = f"SELECT pg_total_relation_size('{table}')"
        if connection.vendor == "mysql":
            statement = (
                "SELECT data_length + index_length FROM information_schema.tables "
                f"WHERE table_schema = database() AND table_name = '{table}'"
            )
        with connection.cursor() as cursor:
            cursor.execute(statement)
            sizes[str(model._meta.verbose_name)] = cursor.fetchone()[0] / model.objects.count()
    return sizes
