"""What an account knows about a problem: full-text search over flows, proposals and articles.

PostgreSQL's own, core only (manual, chapter 12). A problem is told in many words, so that any of
its lexemes may match; how well is the rank's to say. Flows and proposals match by title or
category, or by the category asked for; what their nodes say counts for the rank alone.
"""

from collections.abc import Collection
from dataclasses import dataclass

from domain.intake import Candidate, FoundKind
from storage.database import Transaction
from storage.walkables import parse_flow

_MOST_OF_A_KIND = 3


@dataclass(frozen=True, slots=True)
class Problem:
    """What somebody called about, and the category they gave it."""

    account_id: str
    text: str
    category: str | None


async def find(
    tx: Transaction, problems: Collection[Problem]
) -> dict[Problem, tuple[Candidate, ...]]:
    """Candidates for each problem, best first of each kind."""
    if not problems:
        return {}
    asked = list(problems)
    # It goes through all that an account knows, and joins it.
    async with tx.planned_freely():
        rows = await tx.fetch(
            _SEARCH,
            [problem.account_id for problem in asked],
            [problem.text for problem in asked],
            [problem.category for problem in asked],
            _MOST_OF_A_KIND,
        )
    flows = {
        (kind, found_id): parse_flow(start, nodes)
        for _, kind, found_id, *_, start, nodes in rows
        if nodes is not None
    }
    found: dict[Problem, list[Candidate]] = {problem: [] for problem in asked}
    for place, kind, found_id, title, score, version, *_ in rows:
        found[asked[place - 1]].append(
            Candidate(FoundKind(kind), found_id, title, score, flows.get((kind, found_id)), version)
        )
    return {problem: tuple(candidates) for problem, candidates in found.items()}


@dataclass(frozen=True, slots=True)
class FoundArticle:
    """An article that matches a problem, whole."""

    id: str
    title: str
    category: str | None
    body: str


async def articles(tx: Transaction, problem: Problem, most: int) -> list[FoundArticle]:
    """The account's articles that match best, best first."""
    rows = await tx.fetch(_ARTICLES, problem.account_id, problem.text, problem.category, most)
    return [FoundArticle(*row) for row in rows]


# Any lexeme of the problem, quoted as tsquery wants it.
_ANY_LEXEME = """
            select coalesce(
                string_agg(
                    '''' || replace(replace(lexeme, '\\', '\\\\'), '''', '''''') || '''', ' | '
                ),
                ''
            )::tsquery as query
            from unnest(to_tsvector('english', left(a.problem, 20000)))
"""
_ARTICLES = f"""
    select r.id::text, r.title, r.category, r.body
    from (select $1::uuid as account_id, $2::text as problem, $3::text as category) a
    cross join lateral ({_ANY_LEXEME}) q
    join articles r on r.account_id = a.account_id
    where r.category = a.category or r.words @@ q.query
    order by
        ts_rank(r.words, q.query) + case when r.category = a.category then 1 else 0 end desc,
        r.id
    limit $4
"""  # noqa: S608 - of texts of our own
_SEARCH = f"""
    with asked as (
        select a.key, a.account_id, a.category, q.query
        from unnest($1::uuid[], $2::text[], $3::text[])
            with ordinality as a(account_id, problem, category, key)
        cross join lateral ({_ANY_LEXEME}) q
    ),
    newest as (
        select distinct on (v.flow_id)
            v.account_id, v.flow_id, v.version, v.title, v.category, v.start, v.nodes, v.words
        from flow_versions v join flows f on f.account_id = v.account_id and f.id = v.flow_id
        where not f.archived and f.account_id in (select account_id from asked)
        order by v.flow_id, v.version desc
    ),
    found as (
        select a.key, 'flow' as kind, v.flow_id as id, v.title,
            ts_rank(v.words, a.query) + case when v.category = a.category then 1 else 0 end
                as score,
            v.version, v.start, v.nodes
        from asked a join newest v on v.account_id = a.account_id
        where v.category = a.category or ts_filter(v.words, '{{a,b}}') @@ a.query
        union all
        select a.key, 'proposal', p.id, p.title,
            (ts_rank(p.words, a.query) + case when p.category = a.category then 1 else 0 end)
            -- one that helps less often than not comes after all that are trusted
            * case when o.unhelpful > o.helpful then 0.001 else 1 end,
            null, p.start, p.nodes
        from asked a
        join flow_proposals p on p.account_id = a.account_id and p.validated_by_outcome
        left join proposal_outcomes o on o.flow_proposal_id = p.id
        where p.category = a.category or ts_filter(p.words, '{{a,b}}') @@ a.query
        union all
        select a.key, 'article', r.id, r.title,
            ts_rank(r.words, a.query) + case when r.category = a.category then 1 else 0 end,
            null, null, null
        from asked a join articles r on r.account_id = a.account_id
        where r.category = a.category or r.words @@ a.query
    ),
    ranked as (
        select found.*, row_number() over (partition by key, kind order by score desc, id) as place
        from found
    )
    select key, kind, id::text, title, score, version, start,
        -- a flow is sent once, however many problems find it
        case when row_number() over (partition by kind, id) = 1 then nodes::text end
    from ranked where place <= $4
    order by key, kind, place
"""  # noqa: S608 - of texts of our own
