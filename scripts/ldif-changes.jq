# What differs between $before and $after, two searches as unwrapped LDIF with entryUUID, in lines for people:
# per entry its DN, then "- attribute: value" for what went and "+ attribute: value" for what came.

# LDIF writes whatever is not plain ASCII, or begins or ends with a space, as base64. Here it is read back,
# and quoted where the space would not be seen.
def parsed_line:
  capture("^(?<name>[^:]+):(?<encoded>:?) ?(?<value>.*)$")
  | (if .encoded == ":" then .value | @base64d else .value end) as $value
  | {name, value: (if $value | test("^ | $") then $value | tojson else $value end)};

# What makes two entries equal: LDAP keeps no order among values.
def identity: [.dn, (.lines // [] | sort)];

# By entryUUID, which outlives a rename.
def entries:
  [split("\n\n")[] | [splits("\n") | select(. != "") | parsed_line] | select(. != [])]
  | INDEX(.[] | select(.name == "entryUUID").value)
  | map_values({
      dn: (.[0] | .value),
      lines: [.[1:][] | select(.name != "entryUUID") | "\(.name): \(.value)"]
    });

($before | entries) as $old
| ($after | entries) as $new
| [($old + $new) | keys_unsorted[]]
| sort_by($new[.].dn // $old[.].dn)[]
| $old[.] as $was
| $new[.] as $is
| select(($was | identity) != ($is | identity))
| if $was == null then "+ dn: \($is.dn)", "+ \($is.lines[])"
  elif $is == null then "- dn: \($was.dn)"
  else
    (if $was.dn == $is.dn then "  dn: \($is.dn)" else "- dn: \($was.dn)", "+ dn: \($is.dn)" end),
    "- \(($was.lines - $is.lines)[])",
    "+ \(($is.lines - $was.lines)[])"
  end
