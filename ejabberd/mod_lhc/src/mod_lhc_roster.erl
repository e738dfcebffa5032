%%% A component's contacts (mod_lhc_contacts) in the rosters of the operators of their instance, as mod_shared_roster shows
%%% the members of a group: nothing is stored, the subscription is both, and an operator cannot remove a contact. What an
%%% operator's client stores of a contact (another name, other groups) is an item of its own in the operator's roster, and
%%% both are shown as one.

-module(mod_lhc_roster).

%% mod_lhc:hooks/0 lists the hooks and priorities.
-export([roster_get/2, get_jid_info/4, process_item/2, in_subscription/2, out_subscription/1, sent/1, before_broadcast/1,
         before_last_broadcast/2]).
-export([stored/2, forget/2, label/2, jid/1]).

-include("xmpp.hrl").
-include("mod_roster.hrl").

%%% ---------------------------------------------------------------- reading

%% Adds the contacts. Not for the presence that the session is about to send to its contacts, with a probe for each at
%% its login: the service knows operators' presences from mod_lhc's events, and the session gets all presences from the
%% table. With 5,000 contacts that would be 10,000 stanzas to the component at each login.
roster_get(Items, {User, Host}) ->
    IsBroadcast = erase(mod_lhc_broadcast) =:= true,
    mod_lhc_log:hook(roster_get, Items, fun() ->
        case operator(User, Host) of
            {Instance, Config} when IsBroadcast ->
                [Item || Item <- Items, not is_contact(Item#roster_item.jid, Instance, Config)];
            {Instance, Config} -> with_contacts(Items, Instance, Config, Host);
            nobody -> Items
        end
    end).

with_contacts(Items, Instance, #{visitor_host := VisitorHost} = Config, Host) ->
    Label = label(Host, Instance),
    Contacts = mod_lhc_contacts:names(Config, Instance),
    case lists:partition(fun(#roster_item{jid = #jid{lserver = Server}}) -> Server =:= VisitorHost end, Items) of
        {[], _} -> [mod_lhc_feed:merge(jid(Jid), none, {Name, Label}) || {Jid, Name} <- Contacts] ++ Items;
        {Own, Others} ->
            Stored = maps:from_list([{bare(Item#roster_item.jid), Item} || Item <- Own]),
            Left = maps:without([Jid || {Jid, _} <- Contacts], Stored),
            [mod_lhc_feed:merge(jid(Jid), maps:get(Jid, Stored, none), {Name, Label}) || {Jid, Name} <- Contacts]
                ++ maps:values(Left) ++ Others
    end.

%% The next roster_get in this process is that of a broadcast of the session's presence: ejabberd_c2s reads the roster
%% right behind these two hooks, and nothing else does (the source of 23.01, 24.12 and 26.07).
before_broadcast(Acc) ->
    put(mod_lhc_broadcast, true),
    Acc.

before_last_broadcast(#{pres_last := _} = State, _Reason) ->
    put(mod_lhc_broadcast, true),
    State;
before_last_broadcast(State, _Reason) ->
    State.

get_jid_info({_, _, Groups} = Acc, User, Host, Jid) ->
    mod_lhc_log:hook(get_jid_info, Acc, fun() ->
        case operator_with_contact(User, Host, Jid) of
            {Instance, _} when Groups =:= [] -> {both, none, [label(Host, Instance)]};
            {_, _} -> {both, none, Groups};
            nobody -> Acc
        end
    end).

%% What operators have stored of contacts at the component, by their bare JIDs.
-spec stored(mod_lhc:config(), ejabberd_c2s:state()) -> #{binary() => roster_item()}.
stored(#{visitor_host := VisitorHost}, #{lserver := Host, jid := #jid{luser = User}}) ->
    stored_at(VisitorHost, User, Host).

stored_at(VisitorHost, User, Host) ->
    case gen_mod:is_loaded(Host, mod_roster) of
        true -> maps:from_list([{jid:encode({LUser, Server, <<>>}), mod_roster:encode_item(Item)}
                                || #roster{jid = {LUser, Server, _}} = Item <- mod_roster:get_roster(User, Host),
                                   Server =:= VisitorHost]);
        false -> #{}
    end.

%% Removes what the operators of these instances have stored of these contacts. The API cannot do that on every release:
%% from 26.07 on an account may not call it for the JID of a component.
-spec forget(binary(), [{mod_lhc_names:instance(), binary()}]) -> ok.
forget(Host, Contacts) ->
    [forget(Host, Instance, [Jid || {I, Jid} <- Contacts, I =:= Instance])
     || Instance <- lists:usort([Instance || {Instance, _} <- Contacts]), mod_lhc_tenant:has_operators(Instance, Host)],
    ok.

forget(Host, Instance, Jids) ->
    #{visitor_host := VisitorHost} = mod_lhc:config(Host),
    [ok = mod_roster:set_item_and_notify_clients(jid:make(User, Host), Item#roster_item{subscription = remove, ask = undefined},
                                                 false)
     || {User, Server} <- mod_shared_roster:get_group_users(Host, mod_lhc_names:group(Instance)), Server =:= Host,
        {_, Item} <- maps:to_list(maps:with(Jids, stored_at(VisitorHost, User, Host)))].

%% The name of the group in rosters: that of the group of visitors with accounts.
-spec label(binary(), mod_lhc_names:instance() | none) -> binary().
label(_Host, none) ->
    <<>>;
label(Host, Instance) ->
    Group = mod_lhc_names:visitors_group(Instance),
    case gen_mod:is_loaded(Host, mod_shared_roster) andalso mod_shared_roster:get_group_opts(Host, Group) of
        Opts when is_list(Opts) -> proplists:get_value(label, Opts, Group);
        _ -> Group
    end.

%%% ---------------------------------------------------------------- changes by the operator

%% A client names a contact, puts it into groups, or removes it. The item that is stored has the group of visitors too,
%% so the client sees the contact there as before. A removal takes away what was stored, and the contact comes back.
process_item(#roster{us = {User, Host}, jid = {LUser, Server, _}} = Item, _Host) ->
    mod_lhc_log:hook(process_item, Item, fun() ->
        Jid = #jid{luser = LUser, lserver = Server},
        case operator_with_contact(User, Host, Jid) of
            {Instance, Config} when Item#roster.subscription =:= remove ->
                mod_lhc_contacts:repeat(Config, Instance, User, bare(Jid)),
                Item;
            {Instance, _} ->
                Label = label(Host, Instance),
                Item#roster{subscription = both, ask = none,
                            groups = [Group || Group <- Item#roster.groups, Group =/= Label] ++ [Label]};
            nobody -> Item
        end
    end).

%% As for a member of a shared group, nothing becomes of a subscription.
in_subscription(Acc, #presence{to = #jid{luser = User, lserver = Host}, from = From}) ->
    mod_lhc_log:hook(in_subscription, Acc, fun() ->
        case operator_with_contact(User, Host, From) of
            nobody -> Acc;
            _ -> {stop, false}
        end
    end).

out_subscription(#presence{from = #jid{luser = User, lserver = Host}, to = To}) ->
    mod_lhc_log:hook(out_subscription, ok, fun() ->
        case operator_with_contact(User, Host, To) of
            nobody -> ok;
            _ -> stop
        end
    end).

%% What an operator's client sends: it asks for its roster; it asks for a contact's presence, which is answered from the
%% table; it subscribes to a contact, which the component need not know.
sent({#iq{type = get, sub_els = [El]} = Iq, State}) ->
    case xmpp:get_ns(El) of
        ?NS_ROSTER -> {Iq, mod_lhc_log:hook(sent, State, fun() -> mod_lhc_feed:asked(State) end)};
        _ -> {Iq, State}
    end;
sent({#presence{type = Type, to = #jid{luser = To} = Jid}, #{jid := #jid{luser = User, lserver = Host}} = State} = Acc)
  when To =/= <<>>, Type =/= available, Type =/= unavailable, Type =/= error ->
    mod_lhc_log:hook(sent, Acc, fun() ->
        case operator_with_contact(User, Host, Jid) of
            {_, Config} when Type =:= probe ->
                case mod_lhc_feed:probe(bare(Jid), Config, State) of
                    {true, Next} -> {stop, {drop, Next}};
                    false -> {stop, {drop, State}}
                end;
            {_, _} -> {stop, {drop, State}};
            nobody -> Acc
        end
    end);
sent(Acc) ->
    Acc.

%%% ---------------------------------------------------------------- who

operator(User, Host) ->
    case mod_lhc:config(Host) of
        undefined -> nobody;
        Config ->
            case mod_lhc_contacts:is_empty(Config) orelse mod_lhc_tenant:operator(#jid{luser = User, lserver = Host}, Host, Config) of
                true -> nobody;
                none -> nobody;
                Instance -> {Instance, Config}
            end
    end.

operator_with_contact(User, Host, Jid) ->
    case operator(User, Host) of
        {Instance, Config} ->
            case is_contact(Jid, Instance, Config) of
                true -> {Instance, Config};
                false -> nobody
            end;
        nobody -> nobody
    end.

is_contact(#jid{lserver = VisitorHost} = Jid, Instance, #{visitor_host := VisitorHost} = Config) ->
    mod_lhc_contacts:is_contact(Config, Instance, bare(Jid));
is_contact(_, _, _) ->
    false.

bare(#jid{luser = User, lserver = Server}) ->
    <<User/binary, "@", Server/binary>>.

%% A contact's JID is lower case and has no character to be escaped (mod_lhc_names), so nothing has to be prepared.
-spec jid(binary()) -> jid:jid().
jid(Bare) ->
    [User, Server] = binary:split(Bare, <<"@">>),
    #jid{user = User, server = Server, resource = <<>>, luser = User, lserver = Server, lresource = <<>>}.
