"""Which column of a file is for what, by what was said, or by usual names."""

from collections.abc import Mapping

from ...errors import nearest, short
from ..data.reading import Rows


def find_columns(
    rows: Rows, roles: Mapping[str, tuple[str, ...]], optional: Mapping[str, tuple[str, ...]], given: Mapping[str, str]
) -> dict[str, str]:
    """role -> column, by what was said, by usual names, or because one column alone is left.

    Raises: ValueError for a column that is not there, or a role that none is known for.
    """
    names, found = rows.columns, {}
    for role, name in given.items():
        if role not in roles and role not in optional:
            raise ValueError(f"this task reads no {role!r} column; it reads {', '.join([*roles, *optional])}.")
        if name not in names:
            raise no_column(rows, role, name)
        found[role] = name
    for role, usual in {**roles, **optional}.items():
        if role not in found:
            free = {name.lower(): name for name in reversed(names) if name not in found.values()}
            match = next((free[name] for name in usual if name in free), None)
            if match is not None:
                found[role] = match
    missing = [role for role in roles if role not in found]
    left = [name for name in names if name not in found.values()]
    if len(missing) == 1 and len(left) == 1:
        return {**found, missing[0]: left[0]}
    if missing:
        raise ValueError(
            f"{rows.name}: no column is known to be the {missing[0]} by its name ({', '.join(roles[missing[0]][:4])} "
            f"…); its columns are {short(names, 120)}. Say which: columns={{{missing[0]!r}: …}} (--column "
            f"{missing[0]}=NAME)."
        )
    return found


def no_column(rows: Rows, role: str, name: str) -> ValueError:
    near = nearest(name, rows.columns)
    return ValueError(f"{rows.name} has no column {short(name)} for the {role}; the nearest are {near}.")
