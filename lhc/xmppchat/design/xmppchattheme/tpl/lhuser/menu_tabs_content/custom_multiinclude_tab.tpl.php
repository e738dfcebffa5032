<?php if (isset($user) && is_object($user) && $user->id > 0 && isset($can_edit_groups) && $can_edit_groups === true && erLhcoreClassUser::instance()->hasAccessTo('lhxmppchat', 'accounts')) : ?>
<div role="tabpanel" class="tab-pane" id="xmppchat" data-address="<?php echo erLhcoreClassDesign::baseurl('xmppchat/account')?>/<?php echo (int)$user->id?>">
<p><a href="<?php echo erLhcoreClassDesign::baseurl('xmppchat/account')?>/<?php echo (int)$user->id?>"><?php echo \XmppChat\Lhc\Admin\Words::escape(\XmppChat\Lhc\Admin\Words::t('XMPP account'))?></a></p>
</div>
<script>
window.addEventListener('load', function () {
    var tab = $('#xmppchat');
    tab.load(tab.attr('data-address') + '/(tab)/true');
});
</script>
<?php endif; ?>
