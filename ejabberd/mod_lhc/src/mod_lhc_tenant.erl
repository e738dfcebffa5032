%%% Whose an address is: a visitor of a tenant, an operator of a tenant, or somebody else.
%%%
%%% The name of a visitor says to which tenant they belong. An operator is a member of the tenant's shared roster group,
%%% which the service makes them when it registers them. Hooks ask for each stanza, so answers are remembered for a short
%%% time: {User, instance or none, the time until when}. The table is public; the module's supervisor owns it.

-module(mod_lhc_tenant).

-export([new/1, party/3, operator/3, fresh_operator/3, has_operators/2]).

-include("xmpp.hrl").

-type instance() :: mod_lhc_names:instance().
%% server: the host itself. exempt: an account in reserved_users. unfit: a visitor's name that no visitor can have.
%% stranger: an account that is in no group of operators. elsewhere: another host.
-type party() :: server | exempt | {visitor, instance()} | unfit | {operator, instance()} | stranger | elsewhere.

-export_type([party/0]).

%% How long a membership is believed, in milliseconds. Who has just become an operator must not wait long.
-define(MEMBER_FOR, 5000).
-define(STRANGER_FOR, 1000).
%% Remembered answers. More are forgotten all at once, which costs one question each.
-define(MAX_REMEMBERED, 10000).

-spec new(atom()) -> atom().
new(Table) ->
    ets:new(Table, [named_table, public, set, {read_concurrency, true}, {write_concurrency, true}]).

%% Who has this address, as seen by the host with this configuration.
-spec party(#jid{}, binary(), mod_lhc:config()) -> party().
party(#jid{luser = <<>>, lserver = Host}, Host, _Config) ->
    server;
party(#jid{luser = User, lserver = Server}, Host, #{visitor_host := VisitorHost, visitor_prefix := Prefix} = Config)
  when Server =:= Host; Server =:= VisitorHost ->
    case mod_lhc_names:visitor(User, Prefix) of
        {ok, Instance} -> {visitor, Instance};
        unfit -> unfit;
        no when Server =:= Host -> account(User, Host, Config);
        no -> elsewhere
    end;
party(_, _, _) ->
    elsewhere.

account(User, Host, #{reserved_users := Reserved} = Config) ->
    case lists:member(User, Reserved) of
        true -> exempt;
        false ->
            case operator_instance(User, Host, Config) of
                none -> stranger;
                Instance -> {operator, Instance}
            end
    end.

%% The instance of an operator's address; none if it is not an operator's.
-spec operator(#jid{}, binary(), mod_lhc:config()) -> instance() | none.
operator(Jid, Host, Config) ->
    case party(Jid, Host, Config) of
        {operator, Instance} -> Instance;
        _ -> none
    end.

%% The same, by what the group has now.
-spec fresh_operator(#jid{}, binary(), mod_lhc:config()) -> instance() | none.
fresh_operator(#jid{luser = User} = Jid, Host, #{members := Table} = Config) ->
    ets:delete(Table, User),
    operator(Jid, Host, Config).

%% The instance whose group of operators the account is a member of.
-spec operator_instance(binary(), binary(), mod_lhc:config()) -> instance() | none.
operator_instance(User, Host, #{members := Table}) ->
    Now = erlang:monotonic_time(millisecond),
    case ets:lookup(Table, User) of
        [{_, Instance, Until}] when Now < Until -> Instance;
        _ ->
            Instance = ask(User, Host, mod_lhc_names:instances(User)),
            ets:info(Table, size) >= ?MAX_REMEMBERED andalso ets:delete_all_objects(Table),
            Until = Now + case Instance of none -> ?STRANGER_FOR; _ -> ?MEMBER_FOR end,
            ets:insert(Table, {User, Instance, Until}),
            Instance
    end.

ask(_User, _Host, []) ->
    none;
ask(User, Host, [Instance | Others]) ->
    %% is_user_in_group/3 crashes if there is no such group and the account is not in it (seen on 23.01; the same source on
    %% 24.12 and 26.07).
    case has_operators(Instance, Host)
        andalso mod_shared_roster:is_user_in_group({User, Host}, mod_lhc_names:group(Instance), Host) of
        true -> Instance;
        false -> ask(User, Host, Others)
    end.

%% True if the tenant has a group of operators.
-spec has_operators(instance(), binary()) -> boolean().
has_operators(Instance, Host) ->
    gen_mod:is_loaded(Host, mod_shared_roster)
        andalso mod_shared_roster:get_group_opts(Host, mod_lhc_names:group(Instance)) =/= error.
