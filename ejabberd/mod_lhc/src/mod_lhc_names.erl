%%% The names of visitors, operators and shared roster groups (docs/names.md of the repository). Pure.
%%%
%%% A host belongs to one tenant, or several tenants share it, with an instance each. The instance of a tenant that has its
%%% host alone is <<>>.

-module(mod_lhc_names).

-export([visitor/2, instances/1, is_instance/1, group/1, visitors_group/1]).

-type instance() :: binary().

-export_type([instance/0]).

%% In bytes, which are characters here.
-define(MAX_ID, 64).
-define(MAX_INSTANCE, 63).

%% The instance of a visitor's local part: the prefix, an id, perhaps `.chat`, perhaps `.{instance}`; or of the desk's, the
%% contact that speaks for the service itself: `visitors`, perhaps `.{instance}`. no: it is neither, and does not begin with
%% the prefix. unfit: it begins with the prefix, and no visitor can have this name.
-spec visitor(binary(), binary()) -> {ok, instance()} | unfit | no.
visitor(User, Prefix) ->
    Size = byte_size(Prefix),
    case {desk(User, desk_name(Prefix)), User} of
        {{ok, Instance}, _} -> {ok, Instance};
        {no, <<Prefix:Size/binary, Rest/binary>>} -> visitor(binary:split(Rest, <<".">>, [global]));
        {no, _} -> no
    end.

desk(Name, Name) ->
    {ok, <<>>};
desk(User, Name) ->
    Size = byte_size(Name),
    case User of
        <<Name:Size/binary, ".", Instance/binary>> ->
            case is_instance(Instance) of
                true -> {ok, Instance};
                false -> no
            end;
        _ -> no
    end.

%% `visitor.` makes `visitors`: the prefix without what separates it, and an s.
desk_name(Prefix) ->
    <<(string:trim(Prefix, trailing, "._-"))/binary, "s">>.

visitor([Id]) -> visitor_of(Id, <<>>, true);
visitor([Id, <<"chat">>]) -> visitor_of(Id, <<>>, true);
visitor([Id, <<"chat">>, Instance]) -> visitor_of(Id, Instance, is_instance(Instance));
visitor([Id, Instance]) -> visitor_of(Id, Instance, is_instance(Instance));
visitor(_) -> unfit.

visitor_of(Id, Instance, IsValid) ->
    case IsValid andalso is_id(Id) of
        true -> {ok, Instance};
        false -> unfit
    end.

%% The instances that an operator with this local part can belong to. A user name may contain full stops, so there can be
%% two. An account's group decides.
-spec instances(binary()) -> [instance()].
instances(User) ->
    case string:split(User, <<".">>, trailing) of
        [Name, Instance] when Name =/= <<>> -> [Instance || is_instance(Instance)] ++ [<<>>];
        _ -> [<<>>]
    end.

-spec is_instance(binary()) -> boolean().
is_instance(<<"chat">>) -> false;
is_instance(<<First, Rest/binary>>) when First >= $a, First =< $z, byte_size(Rest) < ?MAX_INSTANCE ->
    all(Rest, fun(Char) -> is_letter(Char) orelse Char =:= $- end);
is_instance(_) -> false.

is_id(Id) ->
    Id =/= <<>> andalso byte_size(Id) =< ?MAX_ID
        andalso all(Id, fun(Char) -> is_letter(Char) orelse Char =:= $- orelse Char =:= $_ end).

is_letter(Char) ->
    (Char >= $a andalso Char =< $z) orelse (Char >= $0 andalso Char =< $9).

all(<<Char, Rest/binary>>, Fits) -> Fits(Char) andalso all(Rest, Fits);
all(<<>>, _) -> true.

%% The shared roster group of a tenant's operators.
-spec group(instance()) -> binary().
group(<<>>) -> <<"operators">>;
group(Instance) -> <<"operators.", Instance/binary>>.

%% The shared roster group of a tenant's visitors with accounts.
-spec visitors_group(instance()) -> binary().
visitors_group(<<>>) -> <<"visitors">>;
visitors_group(Instance) -> <<"visitors.", Instance/binary>>.
