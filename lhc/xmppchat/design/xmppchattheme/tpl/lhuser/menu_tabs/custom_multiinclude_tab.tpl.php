<?php if (isset($user) && is_object($user) && $user->id > 0 && isset($can_edit_groups) && $can_edit_groups === true && erLhcoreClassUser::instance()->hasAccessTo('lhxmppchat', 'accounts')) : ?>
<li role="presentation" class="nav-item"><a class="nav-link" href="#xmppchat" aria-controls="xmppchat" role="tab" data-bs-toggle="tab"><?php echo \XmppChat\Lhc\Admin\Words::escape(\XmppChat\Lhc\Admin\Words::t('XMPP account'))?></a></li>
<?php endif; ?>
